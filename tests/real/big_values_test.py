#!/usr/bin/python3
"""big_values_test: values of 1 byte to 512 MiB, and more data than memory.

Each value is set, read back whole and in parts, changed in place where that is cheap, and read
again after kill -9. Then a data set of four times the memory allowed is written and read, in a
cgroup (v2, where one may be made) or else by the server's own budgets with its RssAnon
watched. (ulimit -v says nothing about a program that maps files and uses jemalloc.)
And a group of three takes a value of 64 MiB (256 MiB in the full form) while another client counts: nobody
stands for election, and followers give the value, too.
"""

import os
import random
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness import resp, suite  # noqa: E402
from harness.cluster import Cluster, raft_info  # noqa: E402
from harness.server import Server  # noqa: E402
from harness.suite import check, check_equal  # noqa: E402

KIB, MIB = 1 << 10, 1 << 20
BULK_BYTES_MAX = 512 * MIB
# What a process needs besides its budgets: code, threads, the loops' buffers, the allocator's slack.
OVERHEAD_BYTES = 80 * MIB
PIECE = 4 * MIB


class Value:
    """A value of any size that is never held whole: each 4 MiB piece follows from its number."""

    def __init__(self, seed, size):
        self.seed, self.size = seed, size

    def pieces(self):
        for number in range(0, self.size, PIECE):
            yield self.piece(number // PIECE)[:self.size - number]

    def piece(self, number):
        block = random.Random(self.seed << 32 | number).randbytes(64 * KIB)
        return b"".join(bytes([i]) + block[1:] for i in range(PIECE // len(block)))

    def part(self, first, last):
        """Bytes first..last, both included."""
        numbers = range(first // PIECE, last // PIECE + 1)
        return b"".join(self.piece(n) for n in numbers)[first % PIECE:first % PIECE + last - first + 1]


def put(connection, key, value):
    head = b"*3\r\n$3\r\nSET\r\n$%d\r\n%b\r\n$%d\r\n" % (len(key), key, value.size)
    connection.send_raw(head)
    for piece in value.pieces():
        connection.send_raw(piece)
    connection.send_raw(b"\r\n")
    check_equal(connection.reply(), "OK", f"SET of {value.size} bytes")


def check_whole(connection, key, value):
    connection.send([b"GET", key])
    received = take(connection, len(b"$%d\r\n" % value.size))
    check_equal(received, b"$%d\r\n" % value.size, f"the head of GET's reply for {value.size} bytes")
    for number, piece in enumerate(value.pieces()):
        check(take(connection, len(piece)) == piece, f"GET of {value.size} bytes: other bytes in the 4 MiB from {number * PIECE}")
    check_equal(take(connection, 2), b"\r\n", f"the end of GET's reply for {value.size} bytes")


def take(connection, count):
    while len(connection.buffer) - connection.position < count:
        connection.fill()
    data = bytes(connection.buffer[connection.position:connection.position + count])
    connection.position += count
    if connection.position >= PIECE:
        del connection.buffer[:connection.position]
        connection.position = 0
    return data


def check_parts(connection, key, value, rng):
    check_equal(connection.command(b"STRLEN", key), value.size, f"STRLEN of {value.size} bytes")
    places = {0, value.size - 1} | {place for edge in (MIB, 2 * MIB, 64 * KIB) for place in (edge - 1, edge, value.size - edge)}
    places |= {rng.randrange(value.size) for _ in range(10)}
    for first in sorted(place for place in places if 0 <= place < value.size):
        last = min(value.size - 1, first + rng.choice([0, 10, 5000, 70000, MIB + 1]))
        check(connection.command(b"GETRANGE", key, first, last) == value.part(first, last),
              f"GETRANGE {first} {last} of {value.size} bytes: other bytes")


def sizes(full):
    small = [1, 2, 3, 63, 64, 1023, 1024, 1025, 4095, 4096, 64 * KIB - 1, 64 * KIB, 64 * KIB + 1, MIB - 1, MIB, MIB + 1,
             2 * MIB - 1, 2 * MIB, 2 * MIB + 1, 10 * MIB + 7, 64 * MIB]
    return small + [128 * MIB + 1, 256 * MIB, BULK_BYTES_MAX] if full else small


def every_size(server, options):
    rng = random.Random(options.seed)
    values = {b"size:%d" % size: Value(options.seed + size, size) for size in sizes(options.full)}
    connection = server.connect(timeout=120)
    for key, value in values.items():
        began = time.monotonic()
        put(connection, key, value)
        check_whole(connection, key, value)
        check_parts(connection, key, value, rng)
        if value.size >= 10 * MIB:
            print(f"big_values_test: {value.size // MIB} MiB set, read and read in parts in {time.monotonic() - began:.1f} s", flush=True)
    change_in_place(connection, options)
    server.kill()
    server.start()
    connection = server.connect(timeout=120)
    for key, value in values.items():
        check_whole(connection, key, value)
    check_changed(connection, options)
    connection.send_raw(b"*3\r\n$3\r\nSET\r\n$1\r\nx\r\n$%d\r\n" % (BULK_BYTES_MAX + 1))
    check_equal(connection.read_to_end(), b"-ERR Protocol error: invalid bulk length\r\n", "the answer to one byte more than allowed")
    connection = server.connect(timeout=120)
    connection.command(b"FLUSHALL")
    check_equal(connection.command(b"DBSIZE"), 0, "DBSIZE after FLUSHALL")


def changed(options):
    """A 4 MiB value after APPEND and SETRANGE, as plain bytes."""
    data = bytearray(Value(options.seed, 4 * MIB).piece(0))
    data += b"tail" * 20000
    data[MIB - 5:MIB + 5] = b"0123456789"
    data += bytes(5 * MIB - len(data)) + b"beyond"
    return bytes(data)


def change_in_place(connection, options):
    put(connection, b"changed", Value(options.seed, 4 * MIB))
    steps = [([b"APPEND", b"changed", b"tail" * 20000], 4 * MIB + 80000),
             ([b"SETRANGE", b"changed", MIB - 5, b"0123456789"], 4 * MIB + 80000),
             ([b"SETRANGE", b"changed", 5 * MIB, b"beyond"], 5 * MIB + 6)]
    for command, length in steps:
        check_equal(connection.command(*command), length, f"{command[0].decode()} on a value of 4 MiB")
    # Many small changes of a large value must not write it anew each time.
    began = time.monotonic()
    replies = connection.pipeline([[b"APPEND", b"grown", b"x" * 1000] for _ in range(5000)])
    check_equal(replies, [1000 * (i + 1) for i in range(5000)], "5,000 APPENDs to one key")
    check_equal(connection.pipeline([[b"SETBIT", b"grown", i * 8000, 1] for i in range(1000)]), [0] * 1000, "1,000 SETBITs")
    print(f"big_values_test: 6,000 small changes of a 5 MB value in {time.monotonic() - began:.1f} s", flush=True)
    check_equal(connection.command(b"COPY", b"changed", b"copied"), 1, "COPY of a large value")
    check_equal(connection.command(b"RENAME", b"copied", b"renamed"), "OK", "RENAME of a large value")
    check_changed(connection, options)


def check_changed(connection, options):
    for key in (b"changed", b"renamed"):
        check(connection.command(b"GET", key) == changed(options), f"{key}: other bytes after APPEND and SETRANGE")
    # 'x' is 01111000: its first bit set makes f8, at each whole thousandth byte.
    grown = bytearray(b"x" * 5000000)
    grown[0:1000000:1000] = b"\xf8" * 1000
    check(connection.command(b"GET", b"grown") == grown, "the appended key: other bytes")


# More data than memory.

class Cgroup:
    """A child of our own cgroup with memory.max, or None where none may be made."""

    def __init__(self, path, limit):
        self.path = path
        os.mkdir(path)
        with open(os.path.join(path, "memory.max"), "w") as file:
            file.write(str(limit))

    @classmethod
    def make(cls, limit):
        try:
            with open("/proc/self/cgroup") as file:
                own = next(line[3:].strip() for line in file if line.startswith("0::"))
            parent = "/sys/fs/cgroup" + own.rstrip("/")
            with open(os.path.join(parent, "cgroup.subtree_control")) as file:
                if "memory" not in file.read().split():
                    return None
            return cls(os.path.join(parent, f"alfheimdb-test-{os.getpid()}"), limit)
        except (OSError, StopIteration):
            return None

    def add(self, pid):
        with open(os.path.join(self.path, "cgroup.procs"), "w") as file:
            file.write(str(pid))

    def remove(self):
        os.rmdir(self.path)


def budget_options(program, budget):
    """The server's budgets, which together are two thirds of `budget`."""
    if "redis-server" in program:
        return []
    # A third stays free: slabs that are partly empty, tables being written and compacted (README).
    parts = {"--memory-budget": budget // 3, "--dirty-budget": budget // 16, "--block-cache": budget // 6, "--log-memory": budget // 6}
    help_text = subprocess.run([program, "--help"], capture_output=True, timeout=30, check=False).stdout.decode()
    for option in parts:
        check(option in help_text, f"--help knows no {option}: without it memory cannot be bounded")
    return [word for option, size in parts.items() for word in (option, str(size))]


def more_than_memory(options, directory):
    budget = (256 if options.full else 48) * MIB
    allowed = budget + OVERHEAD_BYTES
    server = Server(options.server, os.path.join(directory, "memory"), extra=budget_options(options.server, budget))
    cgroup = None if server.is_redis else Cgroup.make(allowed)
    try:
        with server:
            if cgroup:
                cgroup.add(server.pid)
                print("big_values_test: bounded by a cgroup", flush=True)
            # The stand-in keeps everything in memory, by design: there only the suite itself is tried.
            fill_and_read(server, options, 16 * MIB if server.is_redis else 4 * allowed, allowed >> 10)
    finally:
        if cgroup:
            cgroup.remove()


def fill_and_read(server, options, total, allowed_kib):
    """Half of the bytes in values of 4 KiB, an eighth in 300 B, the rest in 256 KiB; then all are read."""
    plan = [(300, total // 8 // 300), (4 * KIB, total // 2 // (4 * KIB)), (256 * KIB, total * 3 // 8 // (256 * KIB))]
    peak = 0
    connection = server.connect(timeout=120)
    for reading in (False, True):
        began = time.monotonic()
        for size, count in plan:
            step = max(1, 2 * MIB // size)
            for first in range(0, count, step):
                numbers = range(first, min(count, first + step))
                peak = max(peak, one_pipeline(connection, options, size, numbers, reading, server))
        print(f"big_values_test: {total // MIB} MiB {'read' if reading else 'written'} in {time.monotonic() - began:.1f} s, "
              f"RssAnon at most {peak // KIB} MiB of {allowed_kib // KIB}", flush=True)
    check_equal(connection.command(b"DBSIZE"), sum(count for _, count in plan), "DBSIZE")
    if not server.is_redis:
        check(peak <= allowed_kib, f"RssAnon reached {peak} KiB, allowed are {allowed_kib}")


def one_pipeline(connection, options, size, numbers, reading, server):
    key = b"%d:" % size
    heads = [b"%x/%d/%d." % (options.seed, size, n) for n in numbers]
    values = [(head * (size // len(head) + 1))[:size] for head in heads]
    if reading:
        found = connection.pipeline([[b"GET", key + b"%d" % n] for n in numbers])
        check(found == values, lambda: f"values of {size} bytes: not what was written, from number {numbers[0]} on")
    else:
        found = connection.pipeline([[b"SET", key + b"%d" % n, value] for n, value in zip(numbers, values)])
        check_equal(set(map(str, found)), {"OK"}, f"SETs of {size} bytes")
    return server.memory_kib()


class Counter(threading.Thread):
    """A client beside: one INCR at a time; how long each took."""

    def __init__(self, node):
        super().__init__(daemon=True)
        self.connection = node.connect(timeout=60)
        self.ending = threading.Event()
        self.waits = []
        self.problem = None

    def run(self):
        try:
            while not self.ending.is_set():
                began = time.monotonic()
                check_equal(self.connection.command("INCR", "beside"), len(self.waits) + 1, "INCR")
                self.waits.append(time.monotonic() - began)
        except (resp.ReplyError, resp.Disconnected, suite.Failure) as problem:
            self.problem = problem

    def finish(self):
        self.ending.set()
        self.join(60)
        check(self.problem is None, f"the client beside: {self.problem}")


def in_a_group(options, directory):
    value = Value(options.seed, (256 if options.full else 64) * MIB)
    with Cluster(options.server, directory) as cluster:
        leader = cluster.leader()
        before = raft_info(leader)
        counter = Counter(leader)
        counter.start()
        connection = leader.connect(timeout=120)
        for number in range(3):
            put(connection, b"large:%d" % number, value)
        counter.finish()
        after = raft_info(leader)
        check_equal((after["role"], after["term"]), (before["role"], before["term"]), "role and term of the leader")
        for node in cluster.followers():
            reader = node.connect(timeout=120)
            check_equal(reader.command("READONLY"), "OK", "READONLY")
            check_whole(reader, b"large:2", value)
        print(f"big_values_test: three times {value.size // MIB} MiB in a group: no election; the client beside waited "
              f"{1000 * max(counter.waits):.0f} ms at most ({len(counter.waits)} INCRs)", flush=True)


def main(options, directory):
    if options.part == "group":
        return in_a_group(options, directory)
    if options.part in ("sizes", "both"):
        with Server(options.server, os.path.join(directory, "server")) as server:
            every_size(server, options)
    if options.part in ("memory", "both"):
        more_than_memory(options, directory)


if __name__ == "__main__":
    arguments = suite.parser(__doc__)
    arguments.add_argument("--part", choices=["sizes", "memory", "both", "group"], default="both")
    suite.main(main, arguments.parse_args())
