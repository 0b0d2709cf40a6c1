"""bench/cells: what the throughput table measures, one row a cell; and what is asked of whom (targets).

Not the cross product: sizes say something about SET and GET only, 512 clients about waking up (-P 1) and
small pipelines, and 16 KiB in deep pipelines only about memory copies, which one cell shows.
"""

from collections import namedtuple

from systems import ALFHEIMDB, PEERS

KIB = 1024
SIZES = {"3B": 3, "1K": KIB, "16K": 16 * KIB}
SIZE_TITLES = {"3B": "3 B", "1K": "1 KiB", "16K": "16 KiB"}
KEYS = 1_000_000  # -r of writes
MSET_KEYS = 10    # redis-benchmark's

# expected_rate: requests per second, only for the first guess at how many make a short run.
# loaded_keys: there before a read is measured, and -r of it, so that each finds its key.
Cell = namedtuple("Cell", "test pipeline clients size peers expected_rate loaded_keys")

READ_PEERS = ("none",)  # appendonly does nothing to a GET
CELLS = [
    Cell("set", 32, 50, "3B", PEERS, 400_000, 0),
    Cell("set", 32, 512, "3B", PEERS, 300_000, 0),
    Cell("set", 1, 50, "3B", PEERS, 60_000, 0),
    Cell("set", 1, 512, "3B", PEERS, 50_000, 0),
    Cell("set", 32, 50, "1K", PEERS, 150_000, 0),
    Cell("set", 1, 50, "1K", PEERS, 50_000, 0),
    Cell("set", 32, 50, "16K", PEERS, 15_000, 0),
    Cell("set", 1, 50, "16K", PEERS, 15_000, 0),
    Cell("incr", 32, 50, "3B", PEERS, 400_000, 0),
    Cell("incr", 1, 50, "3B", PEERS, 60_000, 0),
    Cell("mset", 32, 50, "3B", PEERS, 60_000, 0),
    Cell("mset", 1, 50, "3B", PEERS, 40_000, 0),
    # Neighbours that load the same keys share a server.
    Cell("get", 32, 50, "3B", READ_PEERS, 800_000, 1_000_000),
    Cell("get", 32, 512, "3B", READ_PEERS, 600_000, 1_000_000),
    Cell("get", 1, 50, "3B", READ_PEERS, 80_000, 1_000_000),
    Cell("get", 1, 512, "3B", READ_PEERS, 70_000, 1_000_000),
    Cell("get", 32, 50, "1K", READ_PEERS, 400_000, 200_000),
    Cell("get", 1, 50, "1K", READ_PEERS, 70_000, 200_000),
    Cell("get", 1, 50, "16K", READ_PEERS, 40_000, 30_000),
]


def name_of(cell):
    words = [cell.test, f"P{cell.pipeline}", f"c{cell.clients}"]
    return ".".join(words + ([cell.size] if cell.test in ("set", "get") else []))


def title_of(name):
    """For people, in redis-benchmark's words: "SET -P 32 -c 50, 3 B"."""
    test, pipeline, clients, *size = name.split(".")
    words = f"{test.upper()} -P {pipeline[1:]} -c {clients[1:]}"
    return words + (f", {SIZE_TITLES[size[0]]}" if size else "")


def systems_of(cell):
    return (ALFHEIMDB,) + cell.peers


def user_bytes(cell):
    """Key and value bytes that one request of a write carries."""
    counter_bytes = len("counter:000000000000")
    pair = len("key:000000000000") + SIZES[cell.size]
    return {"set": pair, "mset": MSET_KEYS * pair, "incr": counter_bytes}[cell.test]


def is_write(cell):
    return cell.test != "get"


def select(words):
    """The cells named: a word is dotted, and all its pieces must be in the cell's name ("set.P32", "16K")."""
    if not words:
        return list(CELLS)
    wanted = [set(word.lower().split(".")) for word in words]
    return [cell for cell in CELLS if any(pieces <= set(name_of(cell).lower().split(".")) for pieces in wanted)]


def stands_of(cells):
    """Lists of neighbours that may share one server: reads of the same loaded keys. Writes stand alone."""
    stands = []
    for cell in cells:
        last = stands[-1][-1] if stands else None
        if last and not is_write(cell) and (last.loaded_keys, last.size) == (cell.loaded_keys, cell.size):
            stands[-1].append(cell)
        else:
            stands.append([cell])
    return stands


# `figure` is the key under which the part puts its values.
Target = namedtuple("Target", "part figure sign bound text")
TARGETS = [
    Target("throughput", "set.P32.c50.3B/always", ">=", 2.0, "SET -P 32 -c 50 3 B, against always"),
    Target("throughput", "set.P32.c50.3B/none", ">=", 1.0, "SET -P 32 -c 50 3 B, against no AOF"),
    Target("throughput", "set.P1.c50.3B/always", ">=", 1.15, "SET -P 1 -c 50 3 B, against always"),
    Target("throughput", "set.P1.c512.3B/always", ">=", 1.0, "SET -P 1 -c 512 3 B, against always"),
    Target("throughput", "set.P32.c50.1K/always", ">=", 1.5, "SET -P 32 -c 50 1 KiB, against always"),
    Target("throughput", "set.P1.c50.16K/always", ">=", 1.3, "SET -P 1 -c 50 16 KiB, against always"),
    Target("throughput", "get.P32.c50.3B/none", ">=", 1.2, "GET -P 32 -c 50 3 B"),
    Target("throughput", "get.P1.c50.3B/none", ">=", 0.97, "GET -P 1 -c 50 3 B"),
    Target("throughput", "incr.P32.c50/always", ">=", 1.5, "INCR -P 32 -c 50, against always"),
    Target("throughput", "set.P1.c50.16K device/user", "<=", 1.1, "device bytes per user byte, 16 KiB"),
    Target("throughput", "set.P32.c50.1K device/user", "<=", 1.25, "device bytes per user byte, 1 KiB"),
    Target("cluster", "set.P1.c512 cluster/single", ">=", 0.7, "SET -P 1 -c 512, three nodes against one"),
    Target("cluster", "set.P32.c50 cluster/single", ">=", 0.4, "SET -P 32 -c 50, three nodes against one"),
    Target("cluster", "get.P1.c512 cluster/single", ">=", 0.85, "GET -P 1 -c 512, read index, against one"),
    Target("cluster", "get.P1.c50 cluster/single", ">=", 0.85, "GET -P 1 -c 50, read index, against one"),
    Target("cluster", "get.P32.c50 cluster/single", ">=", 0.85, "GET -P 32 -c 50, read index, against one"),
    Target("cluster", "get.P1.c512 cluster.lease/single", ">=", 0.95, "GET -P 1 -c 512, lease, against one"),
    Target("cluster", "get.P1.c50 cluster.lease/single", ">=", 0.95, "GET -P 1 -c 50, lease, against one"),
    Target("cluster", "get.P32.c50 cluster.lease/single", ">=", 0.95, "GET -P 32 -c 50, lease, against one"),
    Target("memory", "alfheimdb peak MiB", "<=", 250, "peak MiB, a million keys of 16 B + 32 B"),
    Target("cold", "get cold/in memory", ">=", 0.4, "GET -P 32, ten million cold keys, against in memory"),
    Target("cold", "set cold/in memory", ">=", 0.4, "SET -P 32, ten million cold keys, against in memory"),
    Target("cold", "get warmed/in memory", ">=", 0.4, "GET of the same once the warm-up has ended"),
    Target("cold", "set warmed/in memory", ">=", 0.4, "SET of the same once the warm-up has ended"),
    Target("restart", "values, killed: seconds", "<=", 3, "seconds to ready, 10 GiB of 16 KiB values"),
    Target("restart", "log, killed: seconds", "<=", 10, "seconds to ready, 512 MiB of log not ingested"),
    Target("reads", "alfheimdb/fio", ">=", 0.8, "random GET of 16 KiB, against fio randread"),
]
