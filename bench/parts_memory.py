"""bench/parts_memory: what a million small keys cost in memory, at the highest moment.

Written with as much in flight as 50 clients at -P 32 would have; the peak (VmHWM) is of the
whole process, with its buffers, caches and code.
"""

import client
import report
import systems

KEYS = 1_000_000
VALUE_BYTES = 32
IN_FLIGHT = 50 * 32
COMPARED = (systems.ALFHEIMDB, "none", "always")


def run(bench):
    keys = max(1, int(KEYS * bench.scale))
    figures = {}
    for round_number in range(bench.rounds):
        for system in COMPARED:
            bench.note(f"memory  round {round_number + 1}/{bench.rounds}  {system}")
            with bench.stand.fresh(system) as server:
                client.load(server.port, client.sets(0, keys, VALUE_BYTES, IN_FLIGHT // 2), IN_FLIGHT)
                server.settle()
                for name, value in (("peak MiB", server.peak_bytes()), ("anonymous MiB", server.anonymous_bytes())):
                    figures.setdefault(f"{system} {name}", []).append(value / report.MIB)
    bench.finish("memory", {"keys": keys}, figures)
