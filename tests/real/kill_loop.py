#!/usr/bin/python3
"""kill_loop: kill -9 under load, start again, and nothing that was acknowledged is missing.

Each client owns its keys and pipelines unique values, so what must be found is known exactly: the
state after some prefix of its outstanding pipeline, no shorter than what was acknowledged, with
each MULTI block whole. Counters shared by all lie between acknowledged and attempted. Every fifth
round ends with SIGTERM instead (exit status 0), and some kills hit a server that is recovering.
"""

import os
import random
import signal
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness import resp, suite  # noqa: E402
from harness.server import Server  # noqa: E402
from harness.suite import Failure, check  # noqa: E402

SHARED_COUNTERS = [b"shared:0", b"shared:1", b"shared:2"]
KEYS_PER_CLIENT = 40
EXPIRY_MARGIN_SECONDS = 0.1


def value_of(client, sequence, size):
    """Unique and reproducible: the number leads, the rest follows from it."""
    head = sequence.to_bytes(3, "little")
    return head + random.Random(client << 32 | sequence).randbytes(size - 3)


class Client:
    """One connection's worth of load, and the model of the keys that it alone writes."""

    def __init__(self, number, seed, size_max):
        self.number = number
        self.rng = random.Random(f"{seed}/{number}")
        self.size_max = size_max
        self.state = {}  # key -> ("value", sequence, size) | ("counter", n) | ("log", n) | ("short", deadline)
        self.sequence = 0
        self.outstanding = []  # units of the pipeline on its way: (changes, replies expected, shared counters)
        self.answered = 0
        self.acknowledged = dict.fromkeys(SHARED_COUNTERS, 0)
        self.attempted = dict.fromkeys(SHARED_COUNTERS, 0)
        self.acknowledged_count = 0
        self.problem = None

    # The load.

    def load(self, port, ending):
        try:
            connection = resp.Connection(port)
            while True:
                self.one_pipeline(connection)
        except resp.Disconnected as error:
            # Before the server is told to go, nobody may lose a connection.
            if not ending.is_set():
                self.problem = f"client {self.number}: {error}, while its server ran"
        except Failure as failure:
            self.problem = str(failure)
        except Exception as error:  # a thread's last words must reach the round that waits for it
            self.problem = f"client {self.number}: {error!r}"

    def one_pipeline(self, connection):
        units, wire = [], []
        ahead = dict(self.state)  # what the later units of this pipeline build upon
        for _ in range(self.rng.choice([1, 1, 2, 4, 8, 16])):
            commands, changes, expected, shared = self.unit(ahead)
            for key, state in changes:
                set_state(ahead, key, state)
            units.append((changes, expected, shared))
            wire += commands
        for _, _, shared in units:
            for key in shared:
                self.attempted[key] += 1
        self.answered = 0
        self.outstanding = units
        connection.send(*wire)
        for changes, expected, shared in units:
            for what, test in expected:
                reply = connection.reply()
                check(test(reply), lambda: f"client {self.number}: {what} answered {suite.shorten(reply)}")
            for key, state in changes:
                set_state(self.state, key, state)
            for key in shared:
                self.acknowledged[key] += 1
            self.answered += 1
            self.acknowledged_count += 1
        self.outstanding = []

    def unit(self, ahead):
        """One command or block: (commands, changes to the model, expected replies, shared counters)."""
        kind = self.rng.random()
        key = b"c%d:%d" % (self.number, self.rng.randrange(KEYS_PER_CLIENT))
        if kind < 0.40:
            sequence, size = self.fresh()
            return [[b"SET", key, value_of(self.number, sequence, size)]], [(key, ("value", sequence, size))], [("SET", is_ok)], []
        if kind < 0.48:
            expected = 1 if key in ahead else 0
            return [[b"DEL", key]], [(key, None)], [(f"DEL of {key}", lambda r: r == expected)], []
        if kind < 0.54:
            sequence, size = self.fresh()
            return ([[b"SET", key, value_of(self.number, sequence, size)], [b"EXPIRE", key, b"100000"]],
                    [(key, ("value", sequence, size))], [("SET", is_ok), ("EXPIRE", lambda r: r == 1)], [])
        if kind < 0.60:
            short = b"short%d:%d" % (self.number, self.rng.randrange(5))
            ttl = self.rng.randrange(5, 80)
            deadline = time.monotonic() + 1.0 + ttl / 1000  # the server may take it up to a second later
            return [[b"SET", short, b"s", b"PX", b"%d" % ttl]], [(short, ("short", deadline))], [("SET PX", is_ok)], []
        if kind < 0.70:
            counter = b"counter%d" % self.number
            number = ahead.get(counter, ("counter", 0))[1] + 1
            return [[b"INCR", counter]], [(counter, ("counter", number))], [("INCR", lambda r: r == number)], []
        if kind < 0.78:
            shared = self.rng.choice(SHARED_COUNTERS)
            return [[b"INCR", shared]], [], [("INCR", lambda r: isinstance(r, int))], [shared]
        if kind < 0.84:
            log = b"log%d" % self.number
            number = ahead.get(log, ("log", 0))[1] + 1
            return ([[b"APPEND", log, number.to_bytes(4, "big")]], [(log, ("log", number))],
                    [("APPEND", lambda r: r == 4 * number)], [])
        if kind < 0.92:
            return self.block()
        return [[b"GET", key]], [], [(f"GET {key}", lambda r, s=ahead.get(key): r == self.expected(s))], []

    def block(self):
        """All of it or none: three keys with one number, and a shared counter."""
        sequence, size = self.fresh()
        value = value_of(self.number, sequence, min(size, 20000))
        keys = [b"block%d:%d" % (self.number, i) for i in range(3)]
        shared = self.rng.choice(SHARED_COUNTERS)
        commands = [[b"MULTI"]] + [[b"SET", key, value] for key in keys] + [[b"INCR", shared], [b"EXEC"]]
        expected = [("MULTI", is_ok)] + [("a command in MULTI", lambda r: r == "QUEUED")] * 4
        expected.append(("EXEC", lambda r: isinstance(r, list) and r[:3] == ["OK"] * 3 and isinstance(r[3], int)))
        return commands, [(key, ("value", sequence, len(value))) for key in keys], expected, [shared]

    def fresh(self):
        self.sequence += 1
        return self.sequence, max(3, int(3 * (self.size_max / 3) ** self.rng.random()))

    # The verdict.

    def expected(self, state):
        if state is None:
            return None
        if state[0] == "value":
            return value_of(self.number, state[1], state[2])
        if state[0] == "counter":
            return b"%d" % state[1]
        if state[0] == "log":
            return b"".join(i.to_bytes(4, "big") for i in range(1, state[1] + 1))
        return None  # a short-lived key, looked at after its deadline

    def keys(self):
        return ([b"c%d:%d" % (self.number, i) for i in range(KEYS_PER_CLIENT)] + [b"counter%d" % self.number, b"log%d" % self.number]
                + [b"block%d:%d" % (self.number, i) for i in range(3)])

    def verify(self, connection):
        """What is found is the state after some prefix of the outstanding pipeline."""
        found = dict(zip(self.keys(), connection.pipeline([[b"GET", key] for key in self.keys()])))
        candidate = dict(self.state)
        wrong_first = None
        for changes in [[]] + [unit[0] for unit in self.outstanding[self.answered:]]:
            for key, state in changes:
                set_state(candidate, key, state)
            wrong = [key for key in found if found[key] != self.expected(candidate.get(key))]
            if not wrong:
                break
            wrong_first = wrong_first or wrong
        else:
            self.fail(wrong_first, found)
        self.state = {key: state for key, state in candidate.items() if state[0] != "short"}
        self.check_expired(connection, candidate)
        self.outstanding, self.answered = [], 0

    def fail(self, wrong, found):
        key = wrong[0]
        acknowledged = self.state.get(key)
        pending = [state for unit in self.outstanding[self.answered:] for k, state in unit[0] if k == key]
        raise Failure(f"client {self.number}: no prefix of its outstanding pipeline explains what is found; {len(wrong)} keys differ "
                      f"from what was acknowledged. {key}: found {suite.shorten(found[key], 80)} "
                      f"({self.identify(found[key])}), acknowledged {acknowledged}, unanswered {pending}")

    def identify(self, value):
        if value is None or len(value) < 3:
            return "nothing of its kind"
        sequence = int.from_bytes(value[:3], "little")
        if sequence <= self.sequence and value == value_of(self.number, sequence, len(value)):
            return f"the whole value number {sequence}"
        return f"not a value that was ever written, {len(value)} bytes"

    def check_expired(self, connection, candidate):
        deadlines = [state[1] for state in candidate.values() if state[0] == "short"]
        if deadlines:
            suite.wait_until(max(deadlines) + EXPIRY_MARGIN_SECONDS)
        short = [b"short%d:%d" % (self.number, i) for i in range(5)]
        found = connection.command(b"EXISTS", *short)
        check(found == 0, f"client {self.number}: {found} keys came back whose deadline is past")


def is_ok(reply):
    return reply == "OK"


def set_state(states, key, state):
    if state is None:
        states.pop(key, None)
    else:
        states[key] = state


class Loop:
    def __init__(self, options, directory):
        self.options = options
        self.directory = directory
        self.rng = random.Random(options.seed)
        self.totals = {"acknowledged": 0, "kill": 0, "early kill": 0, "SIGTERM": 0, "start": 0.0, "stop": 0.0}
        self.fresh_data()

    def fresh_data(self):
        self.server = Server(self.options.server, os.path.join(self.directory, f"from-round-{self.totals['kill']}"),
                             extra=self.options.server_option)
        seed = self.rng.random()
        self.clients = [Client(i, seed, self.options.value_bytes_max) for i in range(self.options.clients)]
        self.base = dict.fromkeys(SHARED_COUNTERS, 0)

    def run(self):
        self.start()
        for number in range(1, self.options.rounds + 1):
            try:
                self.one_round(number)
            except Failure as failure:
                raise Failure(f"round {number}: {failure}") from None
            check(all(client.sequence < 1 << 24 for client in self.clients), "value numbers ran out: fewer rounds per --fresh-every")
        self.server.kill()
        totals = self.totals
        check(totals["acknowledged"] > 0, "no write was ever acknowledged: nothing is shown")
        print(f"kill_loop: {totals['acknowledged']} writes acknowledged over {totals['kill']} kills, {totals['early kill']} more while "
              f"it recovered, {totals['SIGTERM']} SIGTERMs (slowest {totals['stop']:.2f} s); slowest start {totals['start']:.2f} s")

    def start(self):
        began = time.monotonic()
        self.server.start()
        self.totals["start"] = max(self.totals["start"], time.monotonic() - began)

    def one_round(self, number):
        ending = threading.Event()
        threads = [threading.Thread(target=client.load, args=(self.server.port, ending), daemon=True) for client in self.clients]
        before = sum(client.acknowledged_count for client in self.clients)
        for thread in threads:
            thread.start()
        self.let_it_work(before)
        ending.set()
        if number % 5 == 0:
            self.end_politely()
        else:
            self.kill()
            self.totals["kill"] += 1
        for thread in threads:
            thread.join(30)
            check(not thread.is_alive(), "a client still waits, 30 s after its server went")
        for client in self.clients:
            check(client.problem is None, client.problem)
        self.totals["acknowledged"] += sum(client.acknowledged_count for client in self.clients) - before
        if self.rng.random() < 0.2:
            self.kill_while_it_recovers()
        self.start()
        self.verify()
        if number % self.options.fresh_every == 0 and number < self.options.rounds:
            self.server.kill()
            self.fresh_data()
            self.start()

    def let_it_work(self, before):
        """The moment of the kill: after a random number of acknowledgements and a random while more."""
        wanted = before + self.rng.randrange(self.options.writes_per_round)
        extra = self.rng.random() * 0.2
        deadline = time.monotonic() + 5.0
        while time.monotonic() < deadline:
            if sum(client.acknowledged_count for client in self.clients) >= wanted or not self.server.alive():
                break
            time.sleep(0.002)
        suite.wait_until(time.monotonic() + extra)
        check(self.server.alive(), lambda: f"the server ended by itself, status {self.server.process.poll()}:\n{self.server.log_tail()}")

    def end_politely(self):
        began = time.monotonic()
        status = self.server.terminate()
        self.totals["SIGTERM"] += 1
        self.totals["stop"] = max(self.totals["stop"], time.monotonic() - began)
        check(status == 0, lambda: f"SIGTERM under load: exit status {status}, expected 0; its last words:\n{self.server.log_tail()}")

    def kill(self):
        """It must be the kill that ends it: a server that fell by itself is a finding, not a round."""
        self.server.kill()
        status = self.server.exit_status
        # Where another process took the port first, it had no chance.
        check(status == -signal.SIGKILL or "in use" in self.server.log_tail(),
              lambda: f"the server had ended by itself, status {status}:\n{self.server.log_tail()}")

    def kill_while_it_recovers(self):
        self.server.spawn()
        suite.wait_until(time.monotonic() + self.rng.random() * 0.1)
        self.kill()
        self.totals["early kill"] += 1

    def verify(self):
        connection = self.server.connect()
        for client in self.clients:
            client.verify(connection)
        for key in SHARED_COUNTERS:
            found = int(connection.command(b"GET", key) or 0)
            low = self.base[key] + sum(client.acknowledged[key] for client in self.clients)
            high = self.base[key] + sum(client.attempted[key] for client in self.clients)
            check(low <= found <= high, f"{key}: found {found}, acknowledged {low}, attempted {high}")
            self.base[key] = found
            for client in self.clients:
                client.acknowledged[key] = client.attempted[key] = 0
        connection.close()


def main(options, directory):
    loop = Loop(options, directory)
    try:
        loop.run()
    finally:
        loop.server.kill()


def arguments():
    parser = suite.parser(__doc__)
    parser.add_argument("--rounds", type=int, default=None, help="short: 20, full: 200")
    parser.add_argument("--clients", type=int, default=6)
    parser.add_argument("--writes-per-round", type=int, default=1000)
    parser.add_argument("--value-bytes-max", type=int, default=1 << 20)
    parser.add_argument("--fresh-every", type=int, default=25, help="rounds before a new data directory")
    parser.add_argument("--server-option", action="append", default=[], help="passed on to the server")
    options = parser.parse_args()
    options.rounds = options.rounds or (200 if options.full else 20)
    return options


if __name__ == "__main__":
    chosen = arguments()
    suite.main(main, chosen)
