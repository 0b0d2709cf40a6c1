"""differential/exchange: sends the same steps to both servers and compares what comes back."""

import select
import socket
import time

from rules import Tracker, compare, without_own_fields
from workload import END

from harness import resp
from harness.suite import wait_until

ANSWER_SECONDS = 30.0
EXPIRY_MARGIN_SECONDS = 0.025


class Mismatch(Exception):
    def __init__(self, command, subject, reference, problem):
        super().__init__(problem)
        self.command, self.subject, self.reference, self.problem = command, subject, reference, problem


class Side:
    """One connection to one server."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self.buffer = bytearray()
        self.replies = []
        self.position = 0
        self.unsent = b""

    def begin(self, data):
        self.buffer, self.position, self.replies, self.unsent = bytearray(), 0, [], memoryview(data)

    def take(self):
        try:
            data = self.socket.recv(1 << 20)
        except BlockingIOError:
            return
        except OSError as error:
            raise resp.Disconnected(repr(error)) from error
        if not data:
            raise resp.Disconnected("closed")
        self.buffer += data
        while self.position < len(self.buffer):
            end = resp.skip(self.buffer, self.position)
            if end < 0:
                return
            self.replies.append(bytes(self.buffer[self.position:end]))
            self.position = end

    def give(self):
        try:
            self.unsent = self.unsent[self.socket.send(self.unsent):]
        except BlockingIOError:
            pass
        except OSError as error:
            raise resp.Disconnected(repr(error)) from error


class Exchange:
    def __init__(self, ports, protocol):
        self.ports, self.protocol = ports, protocol
        self.pairs = [[Side(port) for port in ports] for _ in range(2)]
        self.trackers = [Tracker(), Tracker()]
        self.deadline_first = self.deadline_last = 0.0
        self.slowest_step = 0.0
        self.command_count = self.undecided_count = self.error_count = self.ruled_count = 0
        for connection in (0, 1):
            if protocol == 3:
                self.batch({"connection": connection, "commands": [[b"HELLO", b"3"]]})
        self.batch({"connection": 0, "commands": [[b"FLUSHALL"]]})

    def close(self):
        for pair in self.pairs:
            for side in pair:
                side.socket.close()

    def run(self, step):
        getattr(self, "do_" + step["kind"])(step)

    def transfer(self, pair, data, count):
        """The same bytes to both servers, `count` replies from each; reads while it writes."""
        for side in pair:
            side.begin(data)
        deadline = time.monotonic() + ANSWER_SECONDS
        open_sides = list(pair)
        while open_sides:
            writers = [side.socket for side in open_sides if side.unsent]
            readers = [side.socket for side in open_sides]
            readable, writable, _ = select.select(readers, writers, [], max(0, deadline - time.monotonic()))
            if not readable and not writable:
                self.silent(pair, open_sides[0], count)
            for side in open_sides:
                try:
                    if side.socket in writable:
                        side.give()
                    if side.socket in readable:
                        side.take()
                except (resp.Disconnected, ValueError) as error:
                    self.broken(pair, side, error)
            open_sides = [side for side in open_sides if len(side.replies) < count or side.unsent]
        return [side.replies for side in pair]

    def name(self, pair, side):
        return "the server under test" if side is pair[0] else "the reference"

    def silent(self, pair, side, count):
        raise Mismatch(len(side.replies), bytes(side.buffer[side.position:][:200]), b"",
                       f"{self.name(pair, side)} gave {len(side.replies)} of {count} replies in {ANSWER_SECONDS} s")

    def broken(self, pair, side, error):
        raise Mismatch(len(side.replies), bytes(side.buffer[side.position:][:200]), b"",
                       f"{self.name(pair, side)}: {error} after {len(side.replies)} replies of this pipeline")

    def batch(self, step, decided=lambda: True):
        commands = step["commands"]
        pair, tracker = self.pairs[step["connection"]], self.trackers[step["connection"]]
        data = b"".join(c + b"\r\n" if isinstance(c, bytes) else resp.encode(c) for c in commands)
        began = time.monotonic()
        subject, reference = self.transfer(pair, data, len(commands))
        self.slowest_step = max(self.slowest_step, time.monotonic() - began)
        self.command_count += len(commands)
        for index, command in enumerate(commands):
            was_in_multi = tracker.in_multi
            rule, queued = tracker.step(command)
            left, right = subject[index], reference[index]
            if right[:1] == b"-":
                self.error_count += 1
            if left != right:
                problem = compare(rule, queued, left, right, self.slowest_step)
                if problem and decided():
                    raise Mismatch(index, left, right, problem)
                self.ruled_count += 1
            if command == [b"RANDOMKEY"] and not was_in_multi and commands[index + 1:index + 2] == [[b"KEYS", b"*"]]:
                self.check_member(index, left, subject[index + 1])
        return began

    def check_member(self, index, one, keys):
        key, (all_keys, _) = resp.decode(one)[0], resp.decode(keys)
        if key is not None and key not in all_keys:
            raise Mismatch(index, one, keys, "RANDOMKEY gave a key that KEYS * does not know")

    def do_batch(self, step):
        began = self.batch(step)
        if step.get("deadlines"):
            shortest, longest = step["deadlines"]
            self.deadline_first = began + shortest / 1000
            self.deadline_last = time.monotonic() + longest / 1000

    def do_peek(self, step):
        def decided():
            ahead = time.monotonic() < self.deadline_first - EXPIRY_MARGIN_SECONDS
            self.undecided_count += 0 if ahead else 1
            return ahead
        self.batch(step, decided)

    def do_pass(self, _step):
        wait_until(self.deadline_last + EXPIRY_MARGIN_SECONDS)

    def do_scan(self, step):
        """Each server is asked until its own cursor is 0; what they found is the same."""
        if self.trackers[step["connection"]].in_multi:
            return
        found = []
        for side in self.pairs[step["connection"]]:
            keys, cursor, rounds = [], b"0", 0
            while True:
                self.transfer([side], resp.encode([b"SCAN", cursor] + step["options"]), 1)
                self.command_count += 1
                rounds += 1
                value = resp.decode(side.replies[0])[0]
                if not (isinstance(value, list) and len(value) == 2 and isinstance(value[1], list)):
                    raise Mismatch(0, side.replies[0], b"", "SCAN: not a cursor and an array")
                cursor, batch = value
                keys += batch
                if cursor == b"0":
                    break
                if rounds > 10000:
                    raise Mismatch(0, side.replies[0], b"", "SCAN: 10,000 rounds and no end")
            found.append(sorted(set(keys)))
        if found[0] != found[1]:
            raise Mismatch(0, repr(found[0]).encode(), repr(found[1]).encode(), "SCAN: different sets of keys")

    def do_raw(self, step):
        self.command_count += 1
        for attempt in range(3):
            (left, left_reset), (right, right_reset) = [self.raw_conversation(port, step) for port in self.ports]
            if without_own_fields(left) == without_own_fields(right):
                return
            # Who says a browser's words is closed at once, and loses what was not sent yet: how much that is
            # depends on how the pieces met the reads.
            if self.says_browsers_words(step) and (left.startswith(right) or right.startswith(left)):
                return
            # A reset may swallow the last bytes on their way; that alone is tried again.
            if not (left_reset or right_reset) or attempt == 2:
                raise Mismatch(0, left, right, "different bytes on a raw connection")

    @staticmethod
    def says_browsers_words(step):
        words = b"".join(step["pieces"]).lower()
        return b"host:" in words or b"post" in words

    def raw_conversation(self, port, step):
        """(everything the server said, whether the connection was reset rather than closed)."""
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            data, reset = b"", False
            try:
                for piece in step["pieces"]:
                    connection.sendall(piece)
                while not (step["ends"] and data.endswith(END + b"\r\n")):
                    more = connection.recv(1 << 16)
                    if not more:
                        break
                    data += more
            except ConnectionError:
                reset = True
            except TimeoutError:
                data += b"<no more bytes, and not closed, within 10 s>"
            return data, reset
