#!/usr/bin/python3
"""cluster_clients_test: the clients that people have, over leaders that hand over and leaders that die.

Each counts with INCR on a key of its own while the leader of three nodes changes. Over transfers the
application sees no error; over kill -9 of the leader it has its answers again within GAP_SECONDS, and
errors are counted and printed. In both no answer is wrong: every answer is a number of its own, they
rise, and the counter's last value is that of the acknowledged increments and of no more besides than
those whose outcome the client did not know. Over transfers and stops there are none of these.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from clients_test import HERE, node_modules  # noqa: E402
from harness import suite  # noqa: E402
from harness.cluster import Cluster  # noqa: E402
from harness.suite import Failure, check, check_equal, poll  # noqa: E402

PYTHON = "/usr/bin/python3"
READY_SECONDS = 30
TRANSFERS = 3
GAP_SECONDS = 3.0
BETWEEN_SECONDS = 0.7  # in which a client works undisturbed

COUNTING_PYTHON = os.path.join(HERE, "counting_client.py")
COUNTING_NODE = os.path.join(HERE, "node", "counting.js")
CLIENTS = {
    "redis-cli -c": lambda ports, key: [PYTHON, COUNTING_PYTHON, ports, "cli", key],
    "python3-redis cluster": lambda ports, key: [PYTHON, COUNTING_PYTHON, ports, "cluster", key],
    "python3-redis sentinel": lambda ports, key: [PYTHON, COUNTING_PYTHON, ports, "sentinel", key],
    "ioredis cluster": lambda ports, key: ["node", COUNTING_NODE, ports, "ioredis", "cluster", key],
    "ioredis sentinel": lambda ports, key: ["node", COUNTING_NODE, ports, "ioredis", "sentinel", key],
    "node-redis cluster": lambda ports, key: ["node", COUNTING_NODE, ports, "redis", "cluster", key],
}


SENTINEL_CLIENTS = [name for name in CLIENTS if "sentinel" in name]
CLUSTER_CLIENTS = [name for name in CLIENTS if name not in SENTINEL_CLIENTS]


class Counting:
    """One client as a process: counts from start() to finish()."""

    def __init__(self, name, ports, key, modules):
        self.name, self.key = name, key
        self.process = subprocess.Popen(CLIENTS[name](",".join(map(str, ports)), key), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, env={**os.environ, "NODE_PATH": modules})
        self.ready = threading.Event()
        self.lines = []
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            self.lines.append(line.strip())
            self.ready.set()

    def wait_ready(self):
        check(self.ready.wait(READY_SECONDS), f"{self.name} did not connect within {READY_SECONDS} s")
        check_equal(self.lines[0], "ready", f"{self.name}: its first line")

    def finish(self):
        self.process.stdin.close()
        self.process.stdin = None
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise Failure(f"{self.name} did not end within 20 s: it hangs in a command") from None
        check(self.process.returncode == 0, lambda: f"{self.name} ended with {self.process.returncode}: {self.process.stderr.read()[-2000:]}")
        poll(lambda: len(self.lines) >= 2, f"{self.name}: its last line")
        return json.loads(self.lines[-1])


def judge(name, seen, final, kills):
    """ioredis repeats by itself what was under way when its node died, so that one may be done twice."""
    values, errors = seen["values"], seen["errors"]
    check(values, f"{name} was never answered: {errors[:3]}")
    check(all(earlier < later for earlier, later in zip(values, values[1:])), f"{name}: its answers do not rise")
    check(len(values) <= final <= len(values) + len(errors) + kills,
          f"{name}: the counter is {final}; {len(values)} increments were acknowledged, {len(errors)} failed, {kills} may have been repeated")


def count_over(options, directory, modules, names, disturb, kills=0):
    """Runs the named clients, each on a key of its own, while `disturb(cluster)` happens."""
    with Cluster(options.server, tempfile.mkdtemp(dir=directory)) as cluster:
        cluster.leader()
        ports = list(cluster.by_port)
        clients = [Counting(name, ports, f"counter:{i}", modules) for i, name in enumerate(names)]
        for client in clients:
            client.wait_ready()
        time.sleep(BETWEEN_SECONDS)
        disturb(cluster)
        seen = {client.name: client.finish() for client in clients}
        connection = cluster.leader().connect()
        for client in clients:
            judge(client.name, seen[client.name], int(connection.command("GET", client.key) or 0), kills)
        return seen


def is_serving(node):
    connection = node.connect(timeout=5)
    try:
        connection.send(("GET", "no-such-key"))
        return connection.reply() is None
    finally:
        connection.close()


def transfer(cluster, to):
    """Seconds from the command until the node that was named serves."""
    leader = cluster.leader()
    began = time.monotonic()
    check_equal(leader.connect().command("RAFT", "TRANSFER", to[0]), "OK", f"RAFT TRANSFER {to[0]}")
    told = time.monotonic() - began
    check(is_serving(to[1]), f"{to[0]} was to lead, and does not serve")
    return told, time.monotonic() - began


def others(cluster):
    leader = cluster.leader()
    return [(f"n{i + 1}", node) for i, node in enumerate(cluster.nodes) if node is not leader]


def over_transfers(options, directory, modules, names):
    took = []

    def disturb(cluster):
        for number in range(TRANSFERS * (5 if options.full else 1)):
            took.append(transfer(cluster, others(cluster)[number % 2])[1])
            time.sleep(BETWEEN_SECONDS)
    # Apart: where one host has both kinds, those of the cluster are taken for the other (docs/decisions/013).
    seen = {}
    for kind in (CLUSTER_CLIENTS, SENTINEL_CLIENTS):
        if chosen := [name for name in names if name in kind]:
            seen.update(count_over(options, directory, modules, chosen, disturb))
    for name, one in seen.items():
        print(f"  {name}: {len(one['values'])} increments, {len(one['errors'])} errors, longest gap {one['gap_ms']} ms", flush=True)
    for name, one in seen.items():
        check(not one["errors"], f"{name}: over a transfer the application saw {one['errors'][:3]}")
    print(f"  transfers took {', '.join(f'{1000 * t:.0f}' for t in took)} ms until the new leader served "
          f"(median {1000 * statistics.median(took):.0f} ms)", flush=True)


def told(name, seen):
    errors = sorted({error[:90] for error in seen["errors"]})
    print(f"  {name}: {len(seen['values'])} increments, {len(seen['errors'])} errors {errors[:3]}, longest gap {seen['gap_ms']} ms, "
          f"made anew {seen.get('renewed', 0)} times", flush=True)


def kill_leader(cluster):
    leader = cluster.leader()
    leader.kill()
    cluster.leader(but=leader)
    time.sleep(GAP_SECONDS)  # whoever is not back by then has a longer gap
    leader.start()


def over_a_kill(options, directory, modules, names):
    """One client after the other, each with a group of its own."""
    for name in names:
        for _ in range(5 if options.full else 1):
            seen = count_over(options, directory, modules, [name], kill_leader, kills=1)[name]
            told(name, seen)
            check(seen["gap_ms"] <= 1000 * GAP_SECONDS, f"{name}: over a kill of the leader nothing was answered for {seen['gap_ms']} ms")
            if name == "python3-redis cluster":
                check_known_defect(seen)
            elif name != "redis-cli -c":
                check(not seen.get("renewed", 0), f"{name} did not recover by itself: {seen['errors'][:3]}")


def check_known_defect(seen):
    """Debian's python3-redis does not recover when the node dies that stands first in its list.

    That list has the order of CLUSTER SLOTS, so it is the leader. It then copies its own settings, in which a
    lock hangs by now ("cannot pickle '_thread.lock' object"); so it does with a Redis Cluster. What helps is a
    client object made anew, which this asserts; a newer redis-py; or its sentinel mode.
    """
    check(seen["renewed"] > 0 and any("cannot pickle" in error for error in seen["errors"]),
          f"python3-redis cluster recovers by itself now: say so in the README, and hold it to that here ({seen['errors'][:3]})")


def over_a_stop(options, directory, modules, names):
    """SIGTERM of the leader: it hands over first, so nobody waits for an election's timeout."""
    def disturb(cluster):
        leader = cluster.leader()
        check_equal(leader.terminate(), 0, "SIGTERM: exit status")
        check("leadership was handed over" in leader.log_tail(), lambda: f"the leader stopped without handing over:\n{leader.log_tail()}")
        cluster.leader(but=leader)
        time.sleep(BETWEEN_SECONDS)
        leader.start()
    for name in names:
        seen = count_over(options, directory, modules, [name], disturb)[name]
        told(name, seen)
        check(seen["gap_ms"] <= 1000 * GAP_SECONDS, f"{name}: over a stop of the leader nothing was answered for {seen['gap_ms']} ms")


def main(options, directory):
    modules = node_modules()
    names = [name for name in CLIENTS if options.client in name]
    print("over transfers:", flush=True)
    over_transfers(options, directory, modules, names)
    print("over SIGTERM of the leader:", flush=True)
    over_a_stop(options, directory, modules, [name for name in names if name in ("ioredis cluster", "redis-cli -c")])
    print("over kill -9 of the leader:", flush=True)
    over_a_kill(options, directory, modules, names)


def arguments():
    parser = suite.parser(__doc__)
    parser.add_argument("--client", default="", help="only those whose name has these words")
    return parser.parse_args()


if __name__ == "__main__":
    suite.main(main, arguments())
