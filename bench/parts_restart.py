"""bench/parts_restart: seconds from the start of the process to the line that says that it serves.

Two data sets: 10 GiB of values of 16 KiB, and 512 MiB of log of 3-byte SETs of which the index
has stored nothing. Before each start the kernel is asked to forget the files, as after a reboot.
"""

import client
import machine
import systems
from harness.suite import Failure

GIB, MIB, KIB = 1 << 30, 1 << 20, 1 << 10
VALUES_BYTES, VALUE_BYTES = 10 * GIB, 16 * KIB
LOG_BYTES, LOG_KEYS, LOG_VALUE_BYTES = 512 * MIB, 200_000, 3
# The keys of the log data set stay below the dirty budget, and its log below this: nothing is stored.
NO_FREEZE = ["--log-bytes-per-freeze", "4gb"]


def run(bench):
    figures = {}
    restart_with_values(bench, figures)
    restart_with_log(bench, figures)
    bench.finish("restart", {}, figures)


def restart_with_values(bench, figures):
    count = max(100, int(VALUES_BYTES * bench.scale) // VALUE_BYTES)
    bench.note(f"restart  loading {count} values of {VALUE_BYTES} bytes")
    bench.stand.clear("values")
    server = bench.stand.server(systems.ALFHEIMDB, name="values")
    with server:
        client.load(server.port, client.sets(0, count, VALUE_BYTES))
    # Killed by leaving the block. The killed ones come first: a clean stop leaves nothing to replay.
    for how in ("killed", "stopped"):
        for round_number in range(bench.rounds):
            bench.note(f"restart  values, {how}, round {round_number + 1}/{bench.rounds}")
            start(server, f"values, {how}", figures)
            if how == "stopped" or round_number == bench.rounds - 1:
                check_count(server, count)
                server.stop()
            else:
                server.kill()
    bench.stand.clear("values")


def restart_with_log(bench, figures):
    wanted = int(LOG_BYTES * bench.scale)
    bench.note(f"restart  writing {wanted // MIB} MiB of log")
    bench.stand.clear("log")
    server = bench.stand.server(systems.ALFHEIMDB, NO_FREEZE, name="log")
    blocks = list(client.sets(0, LOG_KEYS, LOG_VALUE_BYTES))
    with server:
        written = 0
        while written < wanted:
            client.load(server.port, blocks)
            status = info(server)
            written = status["log_written_bytes"]
            if status["raft_persisted"] > 1 or status["index_freezes"] > 0:
                raise Failure(f"restart: the index stored entries at {written} bytes of log; nothing is left to replay")
    for round_number in range(bench.rounds):
        bench.note(f"restart  log, killed, round {round_number + 1}/{bench.rounds}")
        start(server, "log, killed", figures)
        check_count(server, LOG_KEYS)
        server.kill()
    figures["log MiB"] = [written / MIB]
    bench.stand.clear("log")


def start(server, name, figures):
    machine.drop_cached_files(server.directory)
    try:
        figures.setdefault(f"{name}: seconds", []).append(server.seconds_to_ready())
        figures.setdefault(f"{name}: CPU seconds", []).append(server.cpu_seconds())
    except BaseException:
        server.kill()
        raise


def check_count(server, expected):
    connection = server.connect()
    found = connection.command("DBSIZE")
    connection.close()
    if found != expected:
        server.kill()
        raise Failure(f"restart: {found} keys after the start, {expected} were acknowledged")


def info(server):
    connection = server.connect()
    text = connection.command("INFO", "everything").decode()
    connection.close()
    return machine.parse_colon_lines(text)
