"""bench/parts_throughput: the table: each cell against each system, round by round, in turn.

Within a round, a cell meets all its systems one after another before the next cell comes, in an order
that turns with the round; each on a fresh server. So whatever drifts (a disk that fills, a neighbour
that wakes) drifts for all of them.
"""

import random

import cells as cell_table
import client
import report
import stats
import systems

CALIBRATION_SECONDS = 0.25
SETS_BYTES_MAX = 2 << 30  # of one run, so that long runs of large values do not fill the disk


def run(bench):
    chosen = cell_table.select(bench.only)
    stands = cell_table.stands_of(chosen)
    results = report.Results()
    requests, rounds_done = {}, 0
    for stand in stands:
        requests.update(calibrate(bench, stand))
    try:
        for round_number in range(bench.rounds):
            for stand in stands:
                for system in shuffled(in_use(bench, stand[0]), round_number):
                    bench.note(f"round {round_number + 1}/{bench.rounds}  {cell_table.name_of(stand[0])}  {system}")
                    for cell, figures in measure(bench, stand, system, requests):
                        results.add(cell_table.name_of(cell), system, figures)
            rounds_done += 1
    finally:
        # Of a run that broke off, too: half an hour of figures is not thrown away for one fault.
        if results.cells():
            bench.finish("throughput", results.to_json(), figures_of(results), rounds_done)


def in_use(bench, cell):
    return [system for system in cell_table.systems_of(cell) if not bench.systems or system in bench.systems]


def shuffled(items, round_number):
    """Another order in each round, the same in each run: nobody comes behind the same one always."""
    return random.Random(round_number).sample(items, len(items))


def calibrate(bench, stand):
    """How many requests make a run of about bench.seconds: one count for all systems, whose rates differ."""
    rates = {cell: [] for cell in stand}
    for system in in_use(bench, stand[0]):
        bench.note(f"calibration  {cell_table.name_of(stand[0])}  {system}")
        guess = {cell: round_to_clients(cell, cell.expected_rate * min(CALIBRATION_SECONDS, bench.seconds))
                 for cell in stand}
        for cell, figures in measure(bench, stand, system, guess):
            rates[cell].append(figures["rate"])
    counts = {}
    for cell in stand:
        count = stats.geometric_mean(rates[cell]) * bench.seconds
        if cell_table.is_write(cell):
            count = min(count, SETS_BYTES_MAX / cell_table.user_bytes(cell))
        counts[cell] = round_to_clients(cell, count)
    return counts


def round_to_clients(cell, count):
    """At least four full pipelines of each client, else starting up is what would be measured."""
    return max(int(count), 4 * cell.clients * cell.pipeline)


def measure(bench, stand, system, requests):
    """(cell, figures) for the cells of a stand on one fresh server."""
    found = []
    with bench.stand.fresh(system) as server:
        keys = cell_table.KEYS
        if stand[0].loaded_keys:
            keys = max(1, int(stand[0].loaded_keys * bench.scale))
            client.load(server.port, client.sets(0, keys, cell_table.SIZES[stand[0].size]))
            server.settle()
        for cell in stand:
            found.append((cell, measure_cell(server, cell, requests[cell], keys)))
        if cell_table.is_write(stand[0]):
            figures = found[0][1]
            # What waits in memory is written as the server stops: the index, for AlfheimDB.
            written = server.stop() - figures.pop("written_before")
            user = requests[stand[0]] * cell_table.user_bytes(stand[0])
            figures["device_bytes_per_user_byte"] = written / user
    return found


def measure_cell(server, cell, request_count, keys):
    cpu_before, written_before = server.cpu_seconds(), server.written_bytes()
    measured = client.benchmark(server.port, cell.test, requests=request_count, clients=cell.clients,
                                pipeline=cell.pipeline, value_bytes=cell_table.SIZES[cell.size], keys=keys)
    cpu = server.cpu_seconds() - cpu_before
    figures = {
        "requests": request_count,
        "rate": measured.rate,
        "p50_ms": measured.p50_ms,
        "p99_ms": measured.p99_ms,
        "cpu_seconds_per_million": cpu * 1e6 / request_count,
        "peak_bytes": server.peak_bytes(),
        "anonymous_bytes": server.anonymous_bytes(),
    }
    if cell_table.is_write(cell):
        user = request_count * cell_table.user_bytes(cell)
        figures["device_bytes_per_user_byte_running"] = (server.written_bytes() - written_before) / user
        figures["written_before"] = written_before
    return figures


def figures_of(results):
    """What targets ask for: ratios "cell/peer", and "cell device/user" of AlfheimDB."""
    figures = {}
    for cell in results.cells():
        ours = results.values(cell, systems.ALFHEIMDB, "rate")
        for peer in systems.PEERS:
            theirs = results.values(cell, peer, "rate")
            if ours and theirs:
                figures[f"{cell}/{peer}"] = stats.ratios(ours, theirs)
        written = results.values(cell, systems.ALFHEIMDB, "device_bytes_per_user_byte")
        if written:
            figures[f"{cell} device/user"] = written
    return figures
