"""bench/parts_cold: uniform GET and SET on ten million keys that were ingested long ago, against keys in memory.

Long ago: the server was stopped since. "cold" starts it with --warm-up off, so that its memory holds none of
them; each must be found in the store's files (which the kernel may have in its cache). "warmed" starts it as it is
by itself, and waits until what it does behind a start has ended. A round starts both anew.
"""

import client
import stats
import systems

COLD_KEYS = 10_000_000
MEMORY_KEYS = 1_000_000
VALUE_BYTES = 32
PIPELINE, CLIENTS = 32, 50
GUESS_RATE = 100_000
GUESS_SECONDS = 0.1


def run(bench):
    cold_keys = max(1000, int(COLD_KEYS * bench.scale))
    memory_keys = max(1000, int(MEMORY_KEYS * bench.scale))
    bench.note(f"cold  loading {cold_keys} keys")
    bench.stand.clear("cold")
    warmed = bench.stand.server(systems.ALFHEIMDB, name="cold")
    cold = bench.stand.server(systems.ALFHEIMDB, ["--warm-up", "off"], name="cold")
    with warmed:
        client.load(warmed.port, client.sets(0, cold_keys, VALUE_BYTES))
        warmed.stop()
    figures, requests = {}, {}
    for round_number in range(bench.rounds):
        bench.note(f"cold  round {round_number + 1}/{bench.rounds}")
        for state, server in (("cold", cold), ("warmed", warmed)):
            with server:
                server.settle()
                measure(bench, server, state, cold_keys, requests, figures)
                server.stop()
        with bench.stand.fresh(systems.ALFHEIMDB) as fresh:
            client.load(fresh.port, client.sets(0, memory_keys, VALUE_BYTES))
            fresh.settle()
            measure(bench, fresh, "in memory", memory_keys, requests, figures)
    bench.stand.clear("cold")
    for test in ("get", "set"):
        for state in ("cold", "warmed"):
            figures[f"{test} {state}/in memory"] = stats.ratios(figures[f"{test} {state} /s"], figures[f"{test} in memory /s"])
    bench.finish("cold", {"cold_keys": cold_keys, "keys_in_memory": memory_keys}, figures)


def measure(bench, server, state, keys, requests, figures):
    for test in ("get", "set"):
        # Counts are fixed by the first round: as long as the others, whatever the speed.
        if (test, state) not in requests:
            guess = round_to_clients(GUESS_RATE * min(GUESS_SECONDS, bench.seconds))
            rate = run_test(server, test, guess, keys).rate
            requests[test, state] = round_to_clients(rate * bench.seconds)
        cpu_before = server.cpu_seconds()
        measured = run_test(server, test, requests[test, state], keys)
        cpu = (server.cpu_seconds() - cpu_before) * 1e6 / requests[test, state]
        figures.setdefault(f"{test} {state} /s", []).append(measured.rate)
        figures.setdefault(f"{test} {state} CPU s/M", []).append(cpu)


def run_test(server, test, requests, keys):
    return client.benchmark(server.port, test, requests=requests, clients=CLIENTS, pipeline=PIPELINE,
                            value_bytes=VALUE_BYTES, keys=keys)


def round_to_clients(count):
    return max(int(count), 4 * PIPELINE * CLIENTS)
