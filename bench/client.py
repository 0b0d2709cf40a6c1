"""bench/client: the load: redis-benchmark for what is measured, a plain loader for what must be there first."""

import csv
import io
import os
import socket
import subprocess
import threading

from harness.suite import Failure

RUN_SECONDS_MAX = 300.0
SILENCE_SECONDS = 120.0
LOAD_BLOCK_BYTES = 1 << 20
KEY_BYTES = 16  # key:000000000042, as redis-benchmark spells it


class Measurement:
    """One line of redis-benchmark --csv."""

    def __init__(self, rate, p50_ms, p99_ms):
        self.rate, self.p50_ms, self.p99_ms = rate, p50_ms, p99_ms


def parse_csv(text):
    """{test: Measurement}. Lines that are not of the table (warnings) begin without a quote."""
    lines = [line for line in text.splitlines() if line.startswith('"')]
    if len(lines) < 2:
        raise Failure(f"redis-benchmark printed no table: {text[:300]!r}")
    found = {}
    for row in csv.DictReader(io.StringIO("\n".join(lines))):
        found[row["test"]] = Measurement(float(row["rps"]), float(row["p50_latency_ms"]), float(row["p99_latency_ms"]))
    return found


def benchmark(port, test, *, requests, clients, pipeline=1, value_bytes=3, keys=1_000_000):
    """Runs one test of redis-benchmark and returns its Measurement."""
    command = ["redis-benchmark", "-h", "127.0.0.1", "-p", str(port), "-t", test, "-n", str(requests),
               "-c", str(clients), "-P", str(pipeline), "-d", str(value_bytes), "-r", str(keys), "--csv"]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=RUN_SECONDS_MAX, check=False)
    except subprocess.TimeoutExpired:
        raise Failure(f"{' '.join(command)}: not finished within {RUN_SECONDS_MAX:.0f} s") from None
    if done.returncode != 0 or "rror" in done.stdout + done.stderr:
        raise Failure(f"{' '.join(command)}: exit status {done.returncode}: {(done.stdout + done.stderr)[-400:]}")
    measured = list(parse_csv(done.stdout).values())
    if len(measured) != 1:
        raise Failure(f"{' '.join(command)}: {len(measured)} tests, expected one")
    return measured[0]


def sets(first, end, value_bytes, block_count_max=1 << 20):
    """Blocks of SETs with their counts, for load(). Values are random bytes: nothing on the way may pack them."""
    value = os.urandom(value_bytes)
    form = b"*3\r\n$3\r\nSET\r\n$%d\r\nkey:%%012d\r\n$%d\r\n" % (KEY_BYTES, value_bytes)
    rest = value.replace(b"%", b"_") + b"\r\n"
    per_block = min(block_count_max, max(1, LOAD_BLOCK_BYTES // (len(form) + len(rest))))
    form += rest
    for start in range(first, end, per_block):
        numbers = range(start, min(end, start + per_block))
        yield b"".join([form % number for number in numbers]), len(numbers)


class OkCounter:
    """Takes +OK replies off a connection in a thread of its own, so that the sender may run ahead."""

    REPLY = b"+OK\r\n"

    def __init__(self, connection):
        self.connection = connection
        self.count = 0
        self.wrong = None
        self.changed = threading.Condition()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        byte_count, wrong = 0, None
        while wrong is None:
            try:
                data = self.connection.recv(1 << 18)
                if b"-" in data:
                    wrong = data[data.index(b"-"):][:200].decode("latin-1")
                elif not data:
                    wrong = "the server closed the connection"
            except OSError as error:
                data, wrong = b"", str(error)
            byte_count += len(data)
            with self.changed:
                self.count, self.wrong = byte_count // len(self.REPLY), wrong
                self.changed.notify()

    def wait_for(self, count):
        """Whether that many came; gives up where nothing comes for a while."""
        with self.changed:
            while self.count < count and self.wrong is None:
                if not self.changed.wait(SILENCE_SECONDS):
                    self.wrong = f"no reply for {SILENCE_SECONDS:.0f} s"
            return self.count >= count


def load(port, blocks, in_flight_max=None):
    """Sends all blocks down one connection; returns how many commands they were.

    Without waiting in between, or so that no more than that many commands are unanswered.
    """
    count = 0
    with socket.create_connection(("127.0.0.1", port), timeout=SILENCE_SECONDS) as connection:
        replies = OkCounter(connection)
        try:
            for data, commands in blocks:
                if in_flight_max and not replies.wait_for(count + commands - in_flight_max):
                    break
                connection.sendall(data)
                count += commands
        except OSError as error:
            raise Failure(f"load: {replies.wrong or error}") from None
        if not replies.wait_for(count):
            raise Failure(f"load: {replies.count} of {count} SETs acknowledged; {replies.wrong}")
        connection.shutdown(socket.SHUT_RDWR)
        replies.thread.join(SILENCE_SECONDS)
    return count
