#!/usr/bin/python3
"""tls_test: who may speak to a node. Real processes, certificates of two authorities, nodes of two clusters.

A group under TLS works and loses nothing when its nodes are started again. A node without TLS, one whose certificate
another authority made, and one of another cluster stay outside, and both sides say why in their logs.
"""

import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness import suite  # noqa: E402
from harness.certificates import Authority  # noqa: E402
from harness.cluster import Cluster  # noqa: E402
from harness.server import Server, StartFailed, free_ports  # noqa: E402
from harness.suite import Failure, check  # noqa: E402

SAID_SECONDS = 20.0


def log_of(node):
    with open(node.log_path, errors="replace") as log:
        return log.read()


def wait_for(node, words):
    deadline = time.monotonic() + SAID_SECONDS
    while words not in log_of(node):
        check(time.monotonic() < deadline, f"{node.directory} did not say {words!r}:\n{node.log_tail(40)}")
        time.sleep(0.05)  # between two looks: nothing else would tell


def wait_for_value(node, key, value):
    """What the group holds, read at that node."""
    deadline = time.monotonic() + SAID_SECONDS
    while True:
        connection = node.connect()
        connection.pipeline([("READONLY",)])
        connection.send(("GET", key))
        found = connection.reply()
        connection.close()
        if found == value:
            return
        check(time.monotonic() < deadline, f"{node.directory} has {key} as {found!r}, not {value!r}")
        time.sleep(0.05)


def put(cluster, key, value):
    connection = cluster.leader().connect()
    connection.command("SET", key, value)
    connection.close()


def restart(node, options, own):
    node.kill()
    node.extra = own + options
    node.start()


def keep_outside(cluster, node, own, options, its_words, others_words):
    """Started so, the node and the others say so, and the group goes on without it."""
    restart(node, options, own)
    for words in its_words:
        wait_for(node, words)
    others = [other for other in cluster.nodes if other is not node]
    for other in others:
        for words in others_words:
            wait_for(other, words)
    value = b"without " + its_words[0].encode()
    put(cluster, "key", value)
    connection = node.connect()
    check(connection.command("ROLE")[0] != b"master", "it takes itself for a leader")
    connection.close()
    return value


def refuse_files(program, directory, good):
    """What is wrong with a file is one line, and exit status 1."""
    other = Authority(directory, "third").options("n1")
    cases = [(good[:2], "--raft-tls-cert"), (["--raft-tls-cert", "/no/such/file"] + good[2:], "/no/such/file: No such file"),
             (good[:2] + other[2:4] + good[4:], "it is not the key of the certificate")]
    for number, (options, words) in enumerate(cases):
        node = Server(program, os.path.join(directory, f"wrong{number}"), extra=options)
        try:
            node.start()
        except StartFailed as failure:
            check("exit status 1" in str(failure) and words in str(failure), f"{options}: {failure}")
        else:
            node.kill()
            raise Failure(f"{options}: the node started")


def refuse_another_cluster(program, directory, cluster, options):
    """A node whose cluster has another list of members looks for one of ours."""
    target = cluster.nodes[1]
    ports = free_ports(3)
    members = f"n1=127.0.0.1:{ports[1]},n2=127.0.0.1:{target.raft_port}"
    foreign = Server(program, os.path.join(directory, "foreign"), ports=tuple(ports), extra=["--id", "n1", "--cluster", members] + options)
    try:
        foreign.start()
        wait_for(foreign, "refuses us: node")
        wait_for(foreign, "belongs to cluster")
        wait_for(target, "belongs to cluster")
        connection = foreign.connect()
        check(connection.command("ROLE")[0] != b"master", "a node of another cluster won our node's vote")
        connection.close()
        put(cluster, "key", b"in spite of a foreign node")
    finally:
        foreign.kill()


def run(options, directory):
    ours, other = Authority(directory, "ours"), Authority(directory, "other")
    with Cluster(options.server, directory, authority=ours) as cluster:
        put(cluster, "key", b"first")
        node = next(node for node in cluster.nodes if node is not cluster.leader())
        own, good = node.extra[:-6], node.extra[-6:]
        wait_for_value(node, "key", b"first")
        value = keep_outside(cluster, node, own, [],
                             ["takes connections under TLS only", "TLS where a frame was expected"],
                             ["it speaks no TLS", "is it started without TLS?"])
        restart(node, good, own)
        wait_for_value(node, "key", value)
        value = keep_outside(cluster, node, own, other.options("n9"),
                             ["its certificate is refused: "], ["its certificate is refused: "])
        restart(node, good, own)
        wait_for_value(node, "key", value)
        refuse_another_cluster(options.server, directory, cluster, good)
        wait_for_value(node, "key", b"in spite of a foreign node")
        refuse_files(options.server, directory, good)
        for each in cluster.nodes:
            check(each.terminate() == 0, f"SIGTERM: exit status {each.exit_status}\n{each.log_tail()}")
    print("a group under TLS; without TLS, of another authority, of another cluster: all refused, and said so")


if __name__ == "__main__":
    suite.main(run, suite.parser(__doc__).parse_args())
