#!/usr/bin/python3
"""join_test: a new, empty node joins a large group under load, and catches up by a snapshot.

    join_test.py                   64 MiB (make test)
    join_test.py --full            10 GiB (make soak); four copies of it must fit on the disk
    join_test.py --mib 2048

A few clients read and write all the time, at a steady pace. The 99th percentile of what they wait for,
from `RAFT ADD` until the node votes, is at most twice that of as long a time before. Then the new node
leads, and holds what the others hold: the state's hash, and a sample of the values.
"""

import hashlib
import os
import random
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness import resp, suite  # noqa: E402
from harness.cluster import Cluster  # noqa: E402
from harness.suite import check, check_equal, poll  # noqa: E402

VALUE_BYTES = 16 << 10
BATCH = 64
CLIENTS = 4
PAUSE_SECONDS = 0.005
BEFORE_SECONDS = 10.0
RATIO_MAX = 2.0
NOISE_MS = 10.0  # in the short form: on a machine that others use a ratio says nothing below that
SAMPLE = 500
CATCH_UP_SECONDS = 3600.0
SMALL = ["--segment-size", "4mb", "--log-retain-bytes", "4mb", "--log-bytes-per-freeze", "8mb"]


def value_of(number):
    block = hashlib.sha256(b"%d" % number).digest()
    return block * (VALUE_BYTES // len(block))


def fill(cluster, count):
    connection = cluster.leader().connect(timeout=120)
    for first in range(0, count, BATCH):
        commands = [("SET", b"large:%d" % number, value_of(number)) for number in range(first, min(count, first + BATCH))]
        check_equal(set(connection.pipeline(commands)), {"OK"}, "SET of the data")
    connection.close()


class Client(threading.Thread):
    """At the leader, one request at a time: what each waited for."""

    def __init__(self, cluster, number, large_count):
        super().__init__(daemon=True)
        self.port = cluster.leader().port
        self.rng = random.Random(number)
        self.number, self.large_count = number, large_count
        self.ending = threading.Event()
        self.waits = []  # (when it was answered, milliseconds)
        self.problem = None

    def run(self):
        try:
            connection = resp.Connection(self.port, timeout=60)
            while not self.ending.is_set():
                if self.rng.random() < 0.5:
                    words = ("SET", f"small:{self.number}:{self.rng.randrange(1000)}", "x" * 100)
                else:
                    words = ("GET", b"large:%d" % self.rng.randrange(self.large_count))
                began = time.monotonic()
                connection.command(*words)
                ended = time.monotonic()
                self.waits.append((ended, 1000 * (ended - began)))
                time.sleep(PAUSE_SECONDS)  # the pace of the load
        except (resp.Disconnected, resp.ReplyError) as error:
            self.problem = f"client {self.number}: {error!r}"


def p99(clients, begin, end):
    waits = sorted(wait for client in clients for when, wait in client.waits if begin <= when < end)
    check(len(waits) >= 100, f"only {len(waits)} requests were answered in {end - begin:.1f} s")
    return waits[int(0.99 * len(waits))], len(waits)


def join_under_load(cluster, clients):
    began = time.monotonic()
    suite.wait_until(began + BEFORE_SECONDS)
    joined = time.monotonic()
    node = cluster.add()
    poll(lambda: cluster.part_of(node.name) == "voter", f"{node.name} catches up and votes", CATCH_UP_SECONDS, 0.05)
    ended = time.monotonic()
    for client in clients:
        client.ending.set()
        client.join(60)
        check(client.problem is None and not client.is_alive(), client.problem or "a client got stuck")
    before, before_count = p99(clients, began, joined)
    during, during_count = p99(clients, joined, ended)
    print(f"  {node.name} votes after {ended - joined:.1f} s; p99 before {before:.1f} ms ({before_count} requests), "
          f"meanwhile {during:.1f} ms ({during_count}); load {os.getloadavg()[0]:.1f}", flush=True)
    return node, before, during


def check_same(cluster, node, count, rng):
    _, expected = cluster.leader().connect(timeout=600).command("RAFT", "HASH")
    cluster.change(("RAFT", "TRANSFER", node.name), lambda: cluster.leader() is node)
    connection = node.connect(timeout=600)
    check_equal(connection.command("RAFT", "HASH")[1], expected, f"the state's hash on {node.name}")
    for number in rng.sample(range(count), min(count, SAMPLE)):
        check_equal(connection.command("GET", b"large:%d" % number), value_of(number), f"large:{number} on {node.name}")


def run(options, directory):
    count = options.mib * (1 << 20) // VALUE_BYTES
    with Cluster(options.server, directory, extra=SMALL if options.mib < 1024 else []) as cluster:
        began = time.monotonic()
        fill(cluster, count)
        print(f"  {options.mib} MiB written in {time.monotonic() - began:.1f} s", flush=True)
        clients = [Client(cluster, number, count) for number in range(CLIENTS)]
        for client in clients:
            client.start()
        node, before, during = join_under_load(cluster, clients)
        with open(node.log_path, "rb") as log:
            check(b"restarting over the snapshot" in log.read(), f"{node.name} caught up without a snapshot")
        check_same(cluster, node, count, random.Random(options.seed))
        noise_ms = 0.0 if options.full else NOISE_MS
        check(during <= RATIO_MAX * before + noise_ms, f"p99 was {before:.1f} ms before, and {during:.1f} ms while a node joined")
        for each in cluster.nodes:
            check_equal(each.terminate(), 0, "SIGTERM: exit status")


def arguments():
    parser = suite.parser(__doc__)
    parser.add_argument("--mib", type=int, default=None, help="of data, before the node joins")
    options = parser.parse_args()
    options.mib = options.mib or (10240 if options.full else 64)
    return options


if __name__ == "__main__":
    suite.main(run, arguments())
