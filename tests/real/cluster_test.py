#!/usr/bin/python3
"""cluster_test: three real nodes, clients that go where they are sent, and nodes that die and hang.

Registers (SET, GET, SET ... GET) are judged by a linearizability checker with unknown outcomes, shared
counters by their replies: no acknowledged increment is lost, none is done twice, and no two clients
are told the same number. MOVED and CLUSTERDOWN promise that the command was not done: what was so
refused is not in any count. A client that is disconnected, or waits in vain, does not know.

Faults: kill -9 of the leader, of a follower, of all at once; SIGSTOP of the leader.
"""

import os
import random
import signal
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness import linearizable, resp, suite  # noqa: E402
from harness.cluster import Cluster  # noqa: E402
from harness.linearizable import INFINITY, Operation  # noqa: E402
from harness.suite import Failure, check  # noqa: E402

CLIENTS = 8
REGISTERS = [f"register:{i}".encode() for i in range(12)]
COUNTERS = [f"counter:{i}".encode() for i in range(3)]
ANSWER_SECONDS = 8.0  # longer than a request waits for a leader
GAP_SECONDS_MAX = 5.0  # between a dead leader's last answer and the next one's first, on a shared machine
BETWEEN_OPERATIONS_SECONDS = 0.002


class Client(threading.Thread):
    def __init__(self, number, cluster, seed, ending):
        super().__init__(name=f"client-{number}", daemon=True)
        self.number = number
        self.cluster = cluster
        self.rng = random.Random(f"{seed}/{number}")
        self.ending = ending
        self.connection = None
        self.port = None
        self.sequence = 0
        self.operations = {key: [] for key in REGISTERS}
        self.increments = {key: [] for key in COUNTERS}  # what was answered
        self.unknown_increments = dict.fromkeys(COUNTERS, 0)
        self.refused_count = 0
        self.lost_count = 0
        self.answers = []  # when a write was acknowledged
        self.problem = None

    def run(self):
        try:
            while not self.ending.is_set():
                self.one()
                time.sleep(BETWEEN_OPERATIONS_SECONDS)  # the pace of the load
        except Failure as failure:
            self.problem = f"client {self.number}: {failure}"

    def connect(self):
        port = self.port or self.rng.choice(list(self.cluster.by_port))
        self.port = None
        self.connection = resp.Connection(port, timeout=ANSWER_SECONDS)

    def ask(self, *words):
        """(status, value): "done", "refused" (it was not done) or "unknown"."""
        try:
            if self.connection is None:
                self.connect()
        except resp.Disconnected:
            time.sleep(0.05)  # nobody is there: not as fast as the loop can turn
            return "refused", None
        try:
            self.connection.send(words)
            value = self.connection.reply()
        except resp.Disconnected:
            self.drop()
            self.lost_count += 1
            return "unknown", None
        if not isinstance(value, resp.ReplyError):
            return "done", value
        text = str(value.args[0])
        self.drop()
        if text.startswith("MOVED "):
            self.port = int(text.rsplit(":", 1)[1])
        elif not text.startswith("CLUSTERDOWN"):
            raise Failure(f"{words[0]} was answered {text}")
        self.refused_count += 1
        return "refused", None

    def drop(self):
        if self.connection is not None:
            self.connection.close()
        self.connection = None

    def one(self):
        if self.rng.random() < 0.3:
            return self.increment(self.rng.choice(COUNTERS))
        key = self.rng.choice(REGISTERS)
        kind = self.rng.choice(("get", "set", "swap"))
        value = None
        if kind != "get":
            self.sequence += 1
            value = b"%d.%d" % (self.number, self.sequence)
        words = {"get": ("GET", key), "set": ("SET", key, value), "swap": ("SET", key, value, "GET")}[kind]
        begin = time.monotonic()
        status, result = self.ask(*words)
        if status == "refused":
            return
        end = time.monotonic() if status == "done" else INFINITY
        if status == "done" and kind != "get":
            self.answers.append(end)
        self.operations[key].append(Operation(kind, value, None if kind == "set" else result, begin, end))

    def increment(self, key):
        status, value = self.ask("INCR", key)
        if status == "done":
            self.increments[key].append(value)
            self.answers.append(time.monotonic())
        elif status == "unknown":
            self.unknown_increments[key] += 1


class Faults:
    def __init__(self, cluster, rng):
        self.cluster = cluster
        self.rng = rng
        self.counts = {}
        self.leader_deaths = []

    def strike(self, name):
        self.counts[name] = self.counts.get(name, 0) + 1
        getattr(self, name)()

    def kill_leader(self):
        leader = self.cluster.leader()
        leader.kill()
        self.leader_deaths.append(time.monotonic())
        self.cluster.leader(but=leader)
        leader.start()

    def kill_follower(self):
        leader = self.cluster.leader()
        follower = self.rng.choice([node for node in self.cluster.nodes if node is not leader])
        follower.kill()
        time.sleep(self.rng.uniform(0.1, 1.0))  # how long it stays away
        follower.start()

    def kill_all(self):
        self.cluster.kill()
        for node in self.rng.sample(self.cluster.nodes, len(self.cluster.nodes)):
            node.start()
        self.cluster.leader()

    def hang_leader(self):
        leader = self.cluster.leader()
        os.kill(leader.pid, signal.SIGSTOP)
        try:
            self.leader_deaths.append(time.monotonic())
            self.cluster.leader(but=leader)
        finally:
            os.kill(leader.pid, signal.SIGCONT)


def judge_registers(clients, finals):
    total = 0
    for key in REGISTERS:
        operations = [one for client in clients for one in client.operations[key]] + [finals[key]]
        total += len(operations)
        if not linearizable.is_linearizable(operations):
            text = "\n".join(repr(one) for one in sorted(operations, key=lambda one: one.begin))
            raise Failure(f"{key.decode()} is not linearizable:\n{text}")
    return total


def judge_counters(clients, connection):
    acknowledged = unknown = 0
    for key in COUNTERS:
        final = int(connection.command("GET", key) or 0)
        told = [value for client in clients for value in client.increments[key]]
        missing = sum(client.unknown_increments[key] for client in clients)
        check(len(told) == len(set(told)), f"{key.decode()}: two increments were answered alike")
        check(not told or max(told) <= final, f"{key.decode()} is {final}, but somebody was told {max(told, default=0)}")
        check(len(told) <= final <= len(told) + missing,
              f"{key.decode()} is {final}: {len(told)} increments were acknowledged, {missing} may have been done")
        acknowledged += len(told)
        unknown += missing
    return acknowledged, unknown


def gaps_after(deaths, clients):
    answers = sorted(moment for client in clients for moment in client.answers)
    gaps = []
    for death in deaths:
        later = [moment for moment in answers if moment > death + 0.02]  # what was on its way as it died
        check(later, "nothing was acknowledged after a leader died")
        gaps.append(later[0] - death)
    return gaps


def run(options, directory):
    linearizable.self_test()
    rng = random.Random(options.seed)
    ending = threading.Event()
    with Cluster(options.server, directory) as cluster:
        cluster.leader()
        clients = [Client(number, cluster, options.seed, ending) for number in range(CLIENTS)]
        for client in clients:
            client.start()
        faults = Faults(cluster, rng)
        deadline = time.monotonic() + options.seconds
        names = ["kill_leader", "hang_leader", "kill_follower", "kill_all"]
        while time.monotonic() < deadline:
            for name in names:
                if time.monotonic() < deadline:
                    time.sleep(rng.uniform(0.2, 1.5))  # in which the group works undisturbed
                    faults.strike(name)
        time.sleep(1.0)  # the last gap ends within the run
        ending.set()
        for client in clients:
            client.join(2 * ANSWER_SECONDS)
            check(not client.is_alive(), f"{client.name} got stuck")
            check(client.problem is None, client.problem)
        connection = cluster.leader().connect()
        finals = {}
        for key in REGISTERS:
            begin = time.monotonic()
            finals[key] = Operation("get", None, connection.command("GET", key), begin, time.monotonic())
        total = judge_registers(clients, finals)
        acknowledged, unknown = judge_counters(clients, connection)
        gaps = sorted(gaps_after(faults.leader_deaths, clients))
        check(gaps[-1] <= GAP_SECONDS_MAX, f"after a leader died nothing was acknowledged for {gaps[-1]:.1f} s")
        for node in cluster.nodes:
            check(node.terminate() == 0, f"SIGTERM: exit status {node.exit_status}\n{node.log_tail()}")
    print(f"{total} operations on registers, linearizable; {acknowledged} increments acknowledged, {unknown} unknown; "
          f"{sum(client.refused_count for client in clients)} refused, {sum(client.lost_count for client in clients)} lost; "
          f"faults {faults.counts}; gaps after a leader's death: median {gaps[len(gaps) // 2]:.2f} s, worst {gaps[-1]:.2f} s")


def arguments():
    parser = suite.parser(__doc__)
    parser.add_argument("--seconds", type=float, default=None, help="of faults; short: 25, full: 300")
    options = parser.parse_args()
    options.seconds = options.seconds or (300.0 if options.full else 25.0)
    return options


if __name__ == "__main__":
    chosen = arguments()
    suite.main(run, chosen)
