#!/usr/bin/python3
"""founding_test: a cluster begins when all its founders are up, once, and never a second time.

Of three founders two do not begin without the third, and say so. Then two of them lose their disks and are
started again as at first, while the third is down: they found nothing. When it comes back it refuses them,
they say so, and what was acknowledged is there.
"""

import os
import shutil
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness import resp, suite  # noqa: E402
from harness.cluster import Cluster, raft_info  # noqa: E402
from harness.suite import check, check_equal, poll  # noqa: E402

WAITS = "this cluster is founded when all its founders are up, once; missing: "
REFUSED = "belongs to another data directory"
ENTRIES = 3  # the founders, their leader's first, and the SET
SAYS_SECONDS = 30.0  # every ten it says for whom it waits


def stderr_of(node):
    with open(os.path.join(node.log_directory, f"stderr.{node.start_count}.log"), encoding="utf-8") as log:
        return log.read()


def says(node, words):
    poll(lambda: words in stderr_of(node), f"{node.name} says \"{words}\"", SAYS_SECONDS, 0.05)


def check_waits(nodes, missing):
    """For longer than any election takes: until they have said for whom they wait."""
    for node in nodes:
        says(node, f"{WAITS}{missing.name} ({Cluster.raft_address(missing)})")
        check(not Cluster.leads(node), f"{node.name} leads, without {missing.name}")
    connection = nodes[0].connect(timeout=20)
    began = time.monotonic()
    connection.send(("SET", "key", "value"))
    answer = connection.reply()
    check(isinstance(answer, resp.ReplyError) and str(answer).startswith("CLUSTERDOWN"), f"SET while nobody leads: {answer!r}")
    check(time.monotonic() - began >= 2.5, "it did not wait for a leader")
    connection.close()


def run(options, directory):
    cluster = Cluster(options.server, directory)
    try:
        first, second, third = cluster.nodes
        first.start()
        second.start()
        check_waits([first, second], third)
        third.start()
        leader = cluster.leader()
        connection = leader.connect(timeout=20)
        check_equal(connection.command("SET", "kept", "1"), "OK", "SET")
        connection.close()

        # All three hold it, whoever comes back.
        poll(lambda: all(raft_info(node)["applied"] >= ENTRIES for node in cluster.nodes), "all have applied it", 20, 0.05)
        for node in cluster.nodes:
            node.kill()
        for node in (first, third):
            shutil.rmtree(os.path.join(node.directory, "data"))
            node.start()
        check_waits([first, third], second)
        second.start()
        for node in (first, third):
            says(node, REFUSED)
            check(not Cluster.leads(node), f"{node.name} leads over an empty directory")
        # It has no majority, and so leads nobody either; but nothing has overwritten what it has.
        check_equal(raft_info(second)["log-last"], ENTRIES, "what the one that kept its disk holds")
        check(not Cluster.leads(second), "one of three leads")
    finally:
        cluster.kill()


if __name__ == "__main__":
    suite.main(run, suite.parser(__doc__).parse_args())
