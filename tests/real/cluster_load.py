"""cluster_load: clients that work on a group of nodes, and the judges of what they were told.

Registers (GET, SET, SET ... GET, and compare-and-set by WATCH, MULTI and EXEC) are judged by a
linearizability checker with unknown outcomes. They are new ones every EPOCH_SECONDS, so that what is
unknown does not pile up on one key. Shared counters are judged by their replies: no acknowledged increment is
lost, none is done twice, and no two clients are told the same number. MOVED, CLUSTERDOWN and OOM
promise that the command was not done: what was so refused is in no history. A client that is
disconnected, or waits in vain, does not know. Some clients read on followers, after READONLY.
"""

import collections
import random
import threading
import time

from harness import linearizable, resp
from harness.linearizable import INFINITY, Operation
from harness.suite import Failure, check, check_counter

EPOCH_SECONDS = 5.0
REGISTERS_PER_EPOCH = 12
COUNTERS = [f"counter:{i}".encode() for i in range(3)]
ANSWER_SECONDS = 4.5  # longer than a request waits for a leader
BETWEEN_OPERATIONS_SECONDS = 0.004
NOT_DONE = ("MOVED ", "CLUSTERDOWN", "OOM ", "EXECABORT")
KINDS = ("increment", "get", "set", "swap", "cas")
WEIGHTS = (25, 32, 18, 10, 15)
FOLLOWER_READERS_EVERY = 4  # of so many clients one reads on followers


class Channel:
    """A connection to whichever node, and what became of a request."""

    def __init__(self, client, is_readonly=False):
        self.client = client
        self.is_readonly = is_readonly
        self.connection = None
        self.target = None  # where a MOVED sent it

    def open(self):
        nodes = self.client.cluster.nodes
        host, port = self.target or self.client.address_of(self.client.rng.choice(nodes))
        self.target = None
        self.connection = resp.Connection(port, host=host, timeout=ANSWER_SECONDS)
        if self.is_readonly:
            self.connection.command("READONLY")

    def ask(self, *commands):
        """(status, replies): "done", "refused" (none of them was done) or "unknown". An error reply
        that is no promise is a failure."""
        try:
            if self.connection is None:
                self.open()
        except resp.Disconnected:
            self.close()
            time.sleep(0.05)  # nobody is there: not as fast as the loop can turn
            return "refused", None
        try:
            self.connection.send(*commands)
            replies = self.connection.replies(len(commands))
        except resp.Disconnected:
            self.close()
            self.client.lost_count += 1
            return "unknown", None
        errors = [one for one in replies if isinstance(one, resp.ReplyError)]
        if not errors:
            return "done", replies
        self.close()
        text = str(errors[0])
        for error in errors:
            if not str(error).startswith(NOT_DONE):
                raise Failure(f"{commands} was answered {replies}")
        if text.startswith("MOVED "):
            host, _, port = text.split()[-1].rpartition(":")
            self.target = (host, int(port))
        self.client.refusals[text.split()[0]] += 1
        return "refused", None

    def close(self):
        if self.connection is not None:
            self.connection.close()
        self.connection = None


class Client(threading.Thread):
    def __init__(self, number, cluster, seed, ending, began):
        super().__init__(name=f"client-{number}", daemon=True)
        self.number = number
        self.cluster = cluster
        self.rng = random.Random(f"{seed}/{number}")
        self.ending = ending
        self.began = began
        self.main = Channel(self)
        self.reader = Channel(self, is_readonly=True) if number % FOLLOWER_READERS_EVERY == 0 else self.main
        self.sequence = 0
        self.operations = collections.defaultdict(list)
        self.increments = {key: [] for key in COUNTERS}  # (begin, end, what was answered)
        self.unknown_increments = dict.fromkeys(COUNTERS, 0)
        self.refusals = collections.Counter()
        self.lost_count = self.conflict_count = 0
        self.answers = []  # when a write was acknowledged
        self.problem = None

    @staticmethod
    def address_of(node):
        return node.host, node.ports[0]

    def run(self):
        try:
            while not self.ending.is_set():
                self.one()
                time.sleep(BETWEEN_OPERATIONS_SECONDS)  # the pace of the load
        except (Failure, resp.ReplyError) as failure:
            self.problem = f"client {self.number}: {failure}"

    def key(self):
        epoch = int((time.monotonic() - self.began) / EPOCH_SECONDS)
        return b"register:%d:%d" % (epoch, self.rng.randrange(REGISTERS_PER_EPOCH))

    def value(self):
        self.sequence += 1
        return b"%d.%d" % (self.number, self.sequence)

    def one(self):
        kind = self.rng.choices(KINDS, WEIGHTS)[0]
        if kind == "increment":
            self.increment(self.rng.choice(COUNTERS))
        elif kind == "get":
            self.note("get", self.key(), None, self.reader, lambda key, _: [("GET", key)])
        elif kind == "set":
            self.note("set", self.key(), self.value(), self.main, lambda key, value: [("SET", key, value)])
        elif kind == "swap":
            self.note("swap", self.key(), self.value(), self.main, lambda key, value: [("SET", key, value, "GET")])
        else:
            self.compare_and_set(self.key())

    def note(self, kind, key, value, channel, commands):
        begin = time.monotonic()
        status, replies = channel.ask(*commands(key, value))
        if status == "refused":
            return
        self.record(key, kind, value, replies[0] if replies and kind != "set" else None, begin, status)

    def record(self, key, kind, value, result, begin, status):
        end = time.monotonic() if status == "done" else INFINITY
        if status == "done" and kind != "get":
            self.answers.append(end)
        self.operations[key].append(Operation(kind, value, result, begin, end))

    def compare_and_set(self, key):
        """A read that is one of its own, and a write that is done only if nothing came between."""
        begin = time.monotonic()
        status, replies = self.main.ask(("WATCH", key), ("GET", key))
        if status != "done":
            return
        was = replies[1]
        self.record(key, "get", None, was, begin, "done")
        value, begin = self.value(), time.monotonic()
        connection = self.main.connection
        status, replies = self.main.ask(("MULTI",), ("SET", key, value), ("EXEC",))
        if status == "refused":
            return
        # A new connection watches nothing: this one must be the one that did.
        check(status == "unknown" or self.main.connection is connection, "MULTI went over another connection than WATCH")
        if status == "done" and replies[2] is None:
            self.conflict_count += 1
            return
        check(status == "unknown" or replies[2] == ["OK"], lambda: f"EXEC of a SET was answered {replies}")
        self.record(key, "cas", value, was, begin, status)

    def increment(self, key):
        begin = time.monotonic()
        status, replies = self.main.ask(("INCR", key))
        if status == "done":
            self.answers.append(time.monotonic())
            self.increments[key].append((begin, self.answers[-1], replies[0]))
        elif status == "unknown":
            self.unknown_increments[key] += 1


class Load:
    """So many clients, from start() to finish(), and what is to be said of them."""

    def __init__(self, count, cluster, seed):
        self.cluster = cluster
        self.ending = threading.Event()
        began = time.monotonic()
        self.clients = [Client(number, cluster, seed, self.ending, began) for number in range(count)]
        for client in self.clients:
            client.start()

    def check_alive(self):
        for client in self.clients:
            check(client.problem is None, client.problem)
            check(client.is_alive() or self.ending.is_set(), f"{client.name} has ended")

    def answers_after(self, moment):
        """When writes were acknowledged since; the lists grow meanwhile."""
        found = []
        for client in self.clients:
            for number in range(len(client.answers) - 1, -1, -1):
                if client.answers[number] <= moment:
                    break
                found.append(client.answers[number])
        return sorted(found)

    def refusal_count(self, word):
        return sum(client.refusals[word] for client in self.clients)

    def finish(self):
        self.ending.set()
        for client in self.clients:
            client.join(4 * ANSWER_SECONDS)
            check(not client.is_alive(), f"{client.name} got stuck")
            check(client.problem is None, client.problem)

    def judge(self, connection):
        operations = judge_registers(self.clients, connection)
        acknowledged, unknown = judge_counters(self.clients, connection)
        refusals = sum((client.refusals for client in self.clients), collections.Counter())
        unknown_count = sum(one.end == INFINITY for client in self.clients for each in client.operations.values() for one in each)
        return (f"{len(self.clients)} clients: {operations} operations on registers ({unknown_count} unknown), linearizable; "
                f"{acknowledged} increments acknowledged, {unknown} unknown; "
                f"{sum(client.conflict_count for client in self.clients)} conflicts, refused {dict(refusals)}, "
                f"{sum(client.lost_count for client in self.clients)} lost")


def judge_registers(clients, connection):
    by_key = collections.defaultdict(list)
    for client in clients:
        for key, operations in client.operations.items():
            by_key[key] += operations
    total = 0
    for key, operations in by_key.items():
        begin = time.monotonic()
        operations.append(Operation("get", None, connection.command("GET", key), begin, time.monotonic()))
        total += len(operations)
        if not linearizable.is_linearizable(operations):
            text = "\n".join(repr(one) for one in sorted(operations, key=lambda one: one.begin))
            raise Failure(f"{key.decode()} is not linearizable:\n{text}")
    return total


def judge_counters(clients, connection):
    acknowledged = unknown = 0
    for key in COUNTERS:
        final = int(connection.command("GET", key) or 0)
        answered = [one for client in clients for one in client.increments[key]]
        told = [value for _, _, value in answered]
        missing = sum(client.unknown_increments[key] for client in clients)
        check(not told or max(told) <= final, f"{key.decode()} is {final}, but somebody was told {max(told, default=0)}")
        check_counter(key.decode(), final, told, missing)
        check_order(key, answered)
        acknowledged += len(told)
        unknown += missing
    return acknowledged, unknown


def check_order(key, answered):
    """Whoever asked after another was answered is told a higher number."""
    by_end = sorted(answered, key=lambda one: one[1])
    ended, highest = 0, 0
    for begin, _, value in sorted(answered):
        while by_end[ended][1] < begin:
            highest = max(highest, by_end[ended][2])
            ended += 1
        check(value > highest, f"{key.decode()}: {value} was answered to a request that began after {highest} was answered")
