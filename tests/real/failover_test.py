#!/usr/bin/python3
"""failover_test: how long a group of three takes writes from nobody when its leader dies, or hands over.

    failover_test.py                 5 kills, 20 transfers (make test)
    failover_test.py --full          500 kills, 500 transfers (make soak)
    failover_test.py --kills 50 --transfers 0

Default timers, a small load. A kill: from kill -9 of the leader to the first write that another node
acknowledges; within DEAD_SECONDS in 99 of 100. A transfer: RAFT TRANSFER, from the command to its
answer, when the new leader serves, within TRANSFER_SECONDS in 99 of 100; and from the command to the first
write that it acknowledges. Nothing that was acknowledged is lost.
"""

import os
import statistics
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness import resp, suite  # noqa: E402
from harness.cluster import Cluster  # noqa: E402
from harness.suite import check, check_equal, poll  # noqa: E402

DEAD_SECONDS = 2.0
TRANSFER_SECONDS = 0.1
SHARE = 0.99  # of the kills, and of the transfers
WRITER_PAUSE_SECONDS = 0.005
DISTURBED_SECONDS = 10.0  # no single kill may take longer, however busy the machine


class Writer(threading.Thread):
    """A client that is always at one node: it asks there again and again whether it takes writes."""

    def __init__(self, node, number):
        super().__init__(daemon=True)
        self.node, self.number = node, number
        self.ending = threading.Event()
        self.acknowledged = []  # (when it was sent, when it was answered)
        self.count = 0

    def run(self):
        connection = None
        while not self.ending.is_set():
            began = time.monotonic()
            try:
                connection = connection or resp.Connection(self.node.ports[0], timeout=DISTURBED_SECONDS)
                connection.send(("INCR", f"count:{self.number}"))
                reply = connection.reply()
                if isinstance(reply, int):
                    self.acknowledged.append((began, time.monotonic()))
                    self.count += 1
            except resp.Disconnected:
                connection = None
            time.sleep(WRITER_PAUSE_SECONDS)  # the pace of the load


class Writers:
    def __init__(self, cluster):
        self.by_node = {node: Writer(node, number) for number, node in enumerate(cluster.nodes)}
        for writer in self.by_node.values():
            writer.start()

    def first_after(self, moment, but, seconds):
        """Of another node than `but`: the first acknowledgement after that moment, and whose it is."""
        def found():
            firsts = [(next((end for _, end in reversed_until(writer.acknowledged, moment)), None), node.name)
                      for node, writer in self.by_node.items() if node is not but]
            firsts = [one for one in firsts if one[0] is not None]
            return min(firsts) if firsts else None
        return poll(found, "another node takes writes", seconds, 0.002)

    def finish(self):
        for writer in self.by_node.values():
            writer.ending.set()
        for writer in self.by_node.values():
            writer.join(2 * DISTURBED_SECONDS)
            check(not writer.is_alive(), f"the client of {writer.node.name} got stuck")


def reversed_until(acknowledged, moment):
    """Those that were answered after the moment, the earliest first; the list grows meanwhile."""
    found = []
    for number in range(len(acknowledged) - 1, -1, -1):
        if acknowledged[number][1] <= moment:
            break
        found.append(acknowledged[number])
    return reversed(found)


def whole(cluster):
    """All nodes hold what the leader has committed: the next fault meets a healthy group."""
    leader = cluster.leader()
    connection = leader.connect()
    try:
        def is_so():
            members = connection.command("RAFT", "MEMBERS")
            pairs = [dict(zip(one[0::2], one[1::2])) for one in members]
            return all(one[b"state"] in (b"self", b"replicate") for one in pairs)
        poll(is_so, "all members follow", 30, 0.01)
    finally:
        connection.close()
    return leader


def kill(cluster, writers):
    leader = whole(cluster)
    leader.kill()
    died = time.monotonic()
    first, _ = writers.first_after(died, leader, DISTURBED_SECONDS)
    leader.start()
    return first - died


def transfer(cluster, writers, number):
    leader = whole(cluster)
    target = [node for node in cluster.nodes if node is not leader][number % 2]
    connection = leader.connect()
    began = time.monotonic()
    check_equal(connection.command("RAFT", "TRANSFER", target.name), "OK", f"RAFT TRANSFER {target.name}")
    told = time.monotonic() - began
    connection.close()
    first, whose = writers.first_after(began, leader, DISTURBED_SECONDS)
    check_equal(whose, target.name, "who took the first write")
    return told, first - began


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(share * len(values)))]


def words(name, seconds):
    return (f"{name}: {len(seconds)}, median {1000 * statistics.median(seconds):.0f} ms, p99 {1000 * percentile(seconds, 0.99):.0f} ms, "
            f"worst {1000 * max(seconds):.0f} ms")


def judge_share(what, seconds, seconds_max):
    """Of a few on a busy machine one may be late; of five hundred, five."""
    within = sum(one <= seconds_max for one in seconds)
    check(within >= min(len(seconds) - 1, SHARE * len(seconds)), f"{what} within {seconds_max} s in only {within} of {len(seconds)}: "
          f"the slowest {sorted(round(one, 3) for one in seconds)[-10:]}")


def judge_kills(seconds):
    print(f"  {words('kills', seconds)}; load {os.getloadavg()[0]:.1f}", flush=True)
    judge_share("a dead leader was replaced", seconds, DEAD_SECONDS)


def judge_transfers(told, first):
    print(f"  {words('transfers', told)} until the answer; {words('', first)[2:]} until a write; load {os.getloadavg()[0]:.1f}", flush=True)
    judge_share("leadership was handed over", told, TRANSFER_SECONDS)


def run(options, directory):
    with Cluster(options.server, directory) as cluster:
        writers = Writers(cluster)
        if options.kills:
            judge_kills([kill(cluster, writers) for _ in range(options.kills)])
        if options.transfers:
            pairs = [transfer(cluster, writers, number) for number in range(options.transfers)]
            judge_transfers([told for told, _ in pairs], [first for _, first in pairs])
        writers.finish()
        connection = cluster.leader().connect()
        for writer in writers.by_node.values():
            final = int(connection.command("GET", f"count:{writer.number}") or 0)
            check(final >= writer.count, f"count:{writer.number} is {final}, {writer.count} increments were acknowledged")


def arguments():
    parser = suite.parser(__doc__)
    parser.add_argument("--kills", type=int, default=None)
    parser.add_argument("--transfers", type=int, default=None)
    options = parser.parse_args()
    if options.kills is None:
        options.kills = 500 if options.full else 5
    if options.transfers is None:
        options.transfers = 500 if options.full else 20
    return options


if __name__ == "__main__":
    suite.main(run, arguments())
