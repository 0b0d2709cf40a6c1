"""harness/resp: the client's side of RESP2 and RESP3, raw.

Two views on the same bytes: `skip` finds where a reply ends (so that replies can be compared byte
for byte without being understood), `decode` understands one.
"""

import socket
import time


class ReplyError(Exception):
    """An error reply, kept as a value: two of them are equal when their text is."""

    def __eq__(self, other):
        return isinstance(other, ReplyError) and self.args == other.args

    def __hash__(self):
        return hash(self.args)


class Disconnected(Exception):
    """The server closed the connection, or it broke."""


def encode(arguments):
    parts = [b"*%d\r\n" % len(arguments)]
    for argument in arguments:
        argument = to_bytes(argument)
        parts.append(b"$%d\r\n%b\r\n" % (len(argument), argument))
    return b"".join(parts)


def to_bytes(value):
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    return str(value).encode()


def skip(buffer, position):
    """The position after the reply that starts at `position`, or -1 while it is incomplete."""
    pending = 1
    while pending:
        end = buffer.find(b"\r\n", position)
        if end < 0:
            return -1
        kind = buffer[position]
        if kind in b"+-:_,#(":
            position = end + 2
        elif kind in b"$=!":
            length = int(buffer[position + 1:end])
            position = end + 2 if length < 0 else end + 4 + length
            if position > len(buffer):
                return -1
        elif kind in b"*~>":
            pending += max(0, int(buffer[position + 1:end]))
            position = end + 2
        elif kind in b"%|":
            pending += 2 * int(buffer[position + 1:end]) + (1 if kind == 0x7C else 0)
            position = end + 2
        else:
            raise ValueError(f"byte {kind:#x} does not start a reply: {bytes(buffer[position:position + 40])!r}")
        pending -= 1
    return position


def decode(buffer, position=0):
    """(value, position after it) of a complete reply."""
    end = buffer.index(b"\r\n", position)
    kind, line = chr(buffer[position]), bytes(buffer[position + 1:end])
    position = end + 2
    if kind == "+":
        return line.decode("latin-1"), position
    if kind == "-":
        return ReplyError(line.decode("latin-1")), position
    if kind in ":(":
        return int(line), position
    if kind == "_":
        return None, position
    if kind == ",":
        return float(line), position
    if kind == "#":
        return line == b"t", position
    if kind in "$=!":
        length = int(line)
        if length < 0:
            return None, position
        data = bytes(buffer[position:position + length])
        value = ReplyError(data.decode("latin-1")) if kind == "!" else data
        return value, position + length + 2
    count = int(line)
    if kind in "*~>":
        if count < 0:
            return None, position
        values = []
        for _ in range(count):
            value, position = decode(buffer, position)
            values.append(value)
        return values, position
    if kind == "%":
        pairs = []
        for _ in range(count):
            key, position = decode(buffer, position)
            value, position = decode(buffer, position)
            pairs.append((key, value))
        return dict(pairs) if all(_hashable(key) for key, _ in pairs) else pairs, position
    raise ValueError(f"unknown reply type {kind!r}")


def _hashable(value):
    return not isinstance(value, (list, dict))


class Connection:
    """A blocking client connection; every wait has a deadline."""

    def __init__(self, port, host="127.0.0.1", timeout=30.0, protocol=2):
        try:
            self.socket = socket.create_connection((host, port), timeout=timeout)
        except OSError as error:
            raise Disconnected(f"connect to {host}:{port}: {error}") from error
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = bytearray()
        self.position = 0
        if protocol == 3:
            self.command("HELLO", "3")

    def close(self):
        self.socket.close()

    def send(self, *commands):
        self.send_raw(b"".join(encode(command) for command in commands))

    def send_raw(self, data):
        try:
            self.socket.sendall(data)
        except OSError as error:
            raise Disconnected(f"send: {error}") from error

    def fill(self):
        try:
            data = self.socket.recv(1 << 20)
        except OSError as error:
            raise Disconnected(f"receive: {error!r}") from error
        if not data:
            raise Disconnected("the server closed the connection")
        if self.position == len(self.buffer):
            self.buffer = bytearray()
            self.position = 0
        self.buffer += data

    def reply(self):
        while True:
            end = skip(self.buffer, self.position) if self.position < len(self.buffer) else -1
            if end >= 0:
                break
            self.fill()
        value, _ = decode(self.buffer, self.position)
        self.position = end
        return value

    def replies(self, count):
        return [self.reply() for _ in range(count)]

    def pipeline(self, commands):
        self.send(*commands)
        return self.replies(len(commands))

    def command(self, *arguments):
        """One command; an error reply is raised."""
        self.send(arguments)
        value = self.reply()
        if isinstance(value, ReplyError):
            raise value
        return value

    def read_to_end(self, seconds=5.0):
        """Everything until the server closes."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                self.fill()
            except Disconnected:
                return bytes(self.buffer[self.position:])
        raise Disconnected(f"the server did not close within {seconds} s, it sent {bytes(self.buffer)!r}")
