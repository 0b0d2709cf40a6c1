#!/usr/bin/python3
"""proxy_test: three real nodes with --proxy on, and clients that know nothing of clusters.

Each client stays with one node as long as that lives, and is never sent elsewhere. Counters are judged by
their replies, as in cluster_test: no acknowledged increment is lost, none is done twice, though leadership
is handed over and leaders are killed; CLUSTERDOWN promises that a command was not done, and a connection that
closes promises nothing. A block of two increments is done wholly or not at all.

Before that: what redis-cli and python3-redis see at a follower, values of megabytes, and what it answers itself.
"""

import hashlib
import os
import random
import shutil
import subprocess
import sys
import threading
import time

import redis

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness import resp, suite  # noqa: E402
from harness.cluster import Cluster  # noqa: E402
from harness.suite import Failure, check, check_counter  # noqa: E402

CLIENTS = 9
COUNTERS = [f"counter:{i}".encode() for i in range(3)]
ANSWER_SECONDS = 12.0  # longer than a request waits for a leader, and for a way to it
BETWEEN_OPERATIONS_SECONDS = 0.002
BIG_BYTES = 5 << 20


class Client(threading.Thread):
    """Increments, alone and in blocks, at one node."""

    def __init__(self, number, cluster, seed, ending):
        super().__init__(name=f"client-{number}", daemon=True)
        self.cluster = cluster
        self.node = cluster.nodes[number % len(cluster.nodes)]
        self.pair = (f"left:{number}".encode(), f"right:{number}".encode())
        self.rng = random.Random(f"{seed}/{number}")
        self.ending = ending
        self.connection = None
        self.told = {key: [] for key in COUNTERS}
        self.unknown = dict.fromkeys(COUNTERS, 0)
        self.blocks = self.unknown_blocks = 0
        self.refused_count = self.lost_count = self.away_count = 0
        self.problem = None

    def run(self):
        try:
            while not self.ending.is_set():
                if self.rng.random() < 0.2:
                    self.block()
                else:
                    self.increment(self.rng.choice(COUNTERS))
                time.sleep(BETWEEN_OPERATIONS_SECONDS)  # the pace of the load
        except Failure as failure:
            self.problem = f"{self.name}: {failure}"

    def ask(self, *commands):
        """(status, replies): "done", "refused" or "unknown"; "away": nobody was there to ask."""
        try:
            if self.connection is None:
                self.connection = self.node.connect(timeout=ANSWER_SECONDS)
        except resp.Disconnected:
            self.away_count += 1
            time.sleep(0.05)  # its node is dead: not as fast as the loop can turn
            return "away", None
        begin = time.monotonic()
        try:
            replies = self.connection.pipeline(commands)
        except resp.Disconnected as problem:
            self.connection.close()
            self.connection = None
            self.lost_count += 1
            check(time.monotonic() - begin < ANSWER_SECONDS, f"{commands} at {self.node.port}: {problem}")
            return "unknown", None
        for value in replies:
            if isinstance(value, resp.ReplyError):
                text = str(value.args[0])
                check(text.startswith(("CLUSTERDOWN", "EXECABORT")), f"{commands} was answered {text}")
                self.refused_count += 1
                return "refused", replies
        return "done", replies

    def increment(self, key):
        status, replies = self.ask(("INCR", key))
        if status == "done":
            self.told[key].append(replies[0])
        elif status == "unknown":
            self.unknown[key] += 1

    def block(self):
        status, replies = self.ask(("MULTI",), ("INCR", self.pair[0]), ("INCR", self.pair[1]), ("EXEC",))
        if status == "done":
            check(replies[:3] == ["OK", "QUEUED", "QUEUED"] and replies[3][0] == replies[3][1], f"a block: {replies}")
            self.blocks += 1
        elif status == "unknown":
            self.unknown_blocks += 1


def follower_of(cluster):
    leader = cluster.leader()
    return next(node for node in cluster.nodes if node is not leader)


def until(question, what, seconds=15.0):
    deadline = time.monotonic() + seconds
    while not question():
        check(time.monotonic() < deadline, f"{what}: not within {seconds} s")
        time.sleep(0.05)  # between two questions: nothing else would tell


def try_clients(cluster):
    follower = follower_of(cluster)
    said = subprocess.run([shutil.which("redis-cli"), "-p", str(follower.port)], capture_output=True, text=True, check=True,
                          input="SET plain 1\nINCR plain\nSELECT 3\nSET plain three\nGET plain\nSELECT 0\nGET plain\n"
                                "MULTI\nINCR plain\nGET plain\nEXEC\n").stdout.split()
    check(said == ["OK", "2", "OK", "OK", "three", "OK", "2", "OK", "QUEUED", "QUEUED", "3", "3"], f"redis-cli: {said}")
    client = redis.Redis(port=follower.port, db=5, client_name="plain")
    big = random.Random(1).randbytes(BIG_BYTES)
    client.set("big", big)
    check(hashlib.sha256(client.get("big")).digest() == hashlib.sha256(big).digest(), "a value of megabytes changed on its way")
    with client.pipeline() as pipeline:
        pipeline.watch("watched")
        client.set("watched", "by another")
        pipeline.multi()
        pipeline.set("watched", "mine")
        try:
            pipeline.execute()
            raise Failure("WATCH did not see the change")
        except redis.WatchError:
            pass
    check(client.info()["role"] == "slave", "a follower's INFO is not its own")
    names = [one["name"] for one in client.client_list()]
    check("plain" in names, f"the follower's CLIENT LIST does not name its client: {names}")
    leader = redis.Redis(port=cluster.leader().port)
    there = [one for one in leader.client_list() if one["name"] == "plain"]
    check(there and all(one["db"] == "5" for one in there), f"the leader does not know whose connection it is: {leader.client_list()}")
    # Who says that it knows clusters is sent away.
    connection = follower.connect()
    connection.command("CLUSTER", "SLOTS")
    connection.send(("GET", "plain"))
    check(str(connection.reply().args[0]).startswith("MOVED "), "a cluster's client was not sent to the leader")
    connection.close()
    client.close()


def move_idle(cluster):
    """A client that rests while leadership moves loses nothing, at whichever node it is."""
    clients = [node.connect() for node in cluster.nodes]
    for client in clients:
        client.command("SET", "idle", "1")
    for _ in range(3):
        leader = cluster.leader()
        connection = leader.connect()
        connection.command("RAFT", "TRANSFER")
        connection.close()
        for client in clients:
            client.command("INCR", "idle")
    check(int(clients[0].command("GET", "idle")) == 10, "an increment was lost or doubled")
    for client in clients:
        client.close()


def strike(cluster, rng, seconds):
    counts = {"transfer": 0, "kill_leader": 0, "kill_follower": 0}
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for name in counts:
            time.sleep(rng.uniform(0.3, 1.5))  # in which the group works undisturbed
            counts[name] += 1
            leader = cluster.leader()
            if name == "transfer":
                connection = leader.connect()
                connection.send(("RAFT", "TRANSFER"))
                connection.reply()
                connection.close()
                continue
            victim = leader if name == "kill_leader" else rng.choice([node for node in cluster.nodes if node is not leader])
            victim.kill()
            cluster.leader(but=victim)
            victim.start()
    return counts


def judge(clients, connection):
    acknowledged = unknown = 0
    for key in COUNTERS:
        final = int(connection.command("GET", key) or 0)
        told = [value for client in clients for value in client.told[key]]
        missing = sum(client.unknown[key] for client in clients)
        check_counter(key.decode(), final, told, missing)
        acknowledged += len(told)
        unknown += missing
    for client in clients:
        left, right = (int(value or 0) for value in connection.command("MGET", *client.pair))
        check(left == right, f"half of a block was done: {client.pair} is {left}, {right}")
        check(client.blocks <= left <= client.blocks + client.unknown_blocks,
              f"{client.pair} is {left}: {client.blocks} blocks were acknowledged, {client.unknown_blocks} may have been done")
    return acknowledged, unknown


def run(options, directory):
    rng = random.Random(options.seed)
    ending = threading.Event()
    with Cluster(options.server, directory, extra=["--proxy", "on"]) as cluster:
        cluster.leader()
        try_clients(cluster)
        move_idle(cluster)
        clients = [Client(number, cluster, options.seed, ending) for number in range(CLIENTS)]
        for client in clients:
            client.start()
        counts = strike(cluster, rng, options.seconds)
        ending.set()
        for client in clients:
            client.join(2 * ANSWER_SECONDS)
            check(not client.is_alive(), f"{client.name} got stuck")
            check(client.problem is None, client.problem)
            if client.connection is not None:
                client.connection.close()
        acknowledged, unknown = judge(clients, cluster.leader().connect())
        check(all(client.blocks > 0 for client in clients), "a client did nothing")
        # What is closed here is closed there, too.
        leader = redis.Redis(port=cluster.leader().port)
        until(lambda: leader.info("clients")["connected_clients"] <= 5, "connections stay at the leader")
        for node in cluster.nodes:
            check(node.terminate() == 0, f"SIGTERM: exit status {node.exit_status}\n{node.log_tail()}")
    print(f"{acknowledged} increments acknowledged, {unknown} unknown; {sum(client.blocks for client in clients)} blocks; "
          f"{sum(client.refused_count for client in clients)} refused, {sum(client.lost_count for client in clients)} "
          f"connections lost; faults {counts}")


def arguments():
    parser = suite.parser(__doc__)
    parser.add_argument("--seconds", type=float, default=None, help="of faults; short: 15, full: 300")
    options = parser.parse_args()
    options.seconds = options.seconds or (300.0 if options.full else 15.0)
    return options


if __name__ == "__main__":
    chosen = arguments()
    suite.main(run, chosen)
