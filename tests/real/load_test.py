#!/usr/bin/python3
"""load_test: many connections, and some that misbehave.

Five questions, each with its bound (the constants below):
  idle      what does a connection cost that has done something and then sleeps?
  fairness  how long do others wait while one client never reads, stops in the midst of a request,
            sends a million arguments, or a pipeline of 100,000 commands?
  output    is a client that never reads closed by client-output-buffer-limit, and held back without?
  budget    do all clients together stay within --client-memory, and does INFO say so?
  silence   does a body that never comes give its room (--request-memory) to those that wait?

How fairness is measured. Probes (connections with one GET or SET at a time, at a steady rate) run in
rounds. Rounds with and without the misbehaviour alternate, in an order drawn from the seed, so that
whatever else the machine does falls on both. Where the misbehaviour is work, the rounds without it do
the same work in an ordinary shape (the same commands in pipelines of 50): what is judged is the
shape, not the price of the work. Of each round the 99th percentile counts, of the rounds of one kind
their median; reads and writes apart. It fails where the median with misbehaviour is above 1.2 times
the median without, and also above the noise: the worst round without it, and a median absolute
deviation beyond 1.2 times. What fails is measured once more, twice as long; both must fail.
"""

import gc
import multiprocessing
import os
import random
import resource
import select
import socket
import statistics
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness import resp, suite  # noqa: E402
from harness.server import Server  # noqa: E402
from harness.suite import check, check_equal, poll  # noqa: E402

KIB, MIB = 1 << 10, 1 << 20
IDLE_KIB_MAX = 20.0
P99_RATIO_MAX = 1.2
# What INFO may show for a moment, until the largest are closed; and what the allocator makes of it: buffers
# that grow are there twice, and freed pages go back to the system after ten seconds.
OVERSHOOT_MAX = 1.25
RSS_RATIO_MAX = 3.0
UNSENT_BYTES_MAX = 8 * MIB  # of one client that never reads, before it is not served any further
OPEN_FILES = 16000
PARTS = ["idle", "fairness", "output", "budget", "silence"]
# What does not compare latencies, and so holds on a machine that others use, too.
BOUNDED = [part for part in PARTS if part != "fairness"]
BIG = 100_000
PIPELINE = 100_000
ARGUMENTS = 1_000_000


def command(*words):
    return resp.encode(words)


def open_socket(port):
    connection = socket.create_connection(("127.0.0.1", port), timeout=30)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def figures(server, section):
    text = server.connect().command("INFO", section).decode()
    return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)


def take(connection, count):
    """Reads exactly so many bytes."""
    while count > 0:
        data = connection.recv(min(count, MIB))
        check(data, "the server closed a connection that did nothing wrong")
        count -= len(data)


# ---- idle ----

def idle_connections(server, count):
    """Opens, uses and leaves alone; what each costs in KiB of the server's own memory."""
    before = poll(lambda: settled(server), "the server's memory at rest", seconds=40)
    connections = [open_socket(server.port) for _ in range(count)]
    burst = command("GET", "none") * 300 + command("GET", "big")
    reply_bytes = 300 * len(b"$-1\r\n") + len(b"$100000\r\n") + BIG + 2
    for first in range(0, count, 50):
        part = connections[first:first + 50]
        for connection in part:
            connection.sendall(burst)
        for connection in part:
            take(connection, reply_bytes)
    busy = server.memory_kib()
    # Freed memory goes back to the system within the allocator's ten seconds.
    deadline = time.monotonic() + 15
    cost = (server.memory_kib() - before) / count
    while cost > IDLE_KIB_MAX * 0.9 and time.monotonic() < deadline:
        suite.wait_until(time.monotonic() + 0.25)
        cost = (server.memory_kib() - before) / count
    print(f"load_test: {count} idle connections: {cost:.1f} KiB each (at most {IDLE_KIB_MAX}), "
          f"{(busy - before) / count:.1f} right after use", flush=True)
    check(cost <= IDLE_KIB_MAX, f"an idle connection costs {cost:.1f} KiB, allowed are {IDLE_KIB_MAX}")
    return connections


def settled(server):
    """RssAnon once it has stood still for a moment."""
    first = server.memory_kib()
    suite.wait_until(time.monotonic() + 1.0)
    last = server.memory_kib()
    return last if abs(last - first) < 256 else None


# ---- probes ----

class Probes:
    """Connections with one command at a time, sent at a steady rate in turn; the latencies."""

    def __init__(self, port, count, rate):
        self.port, self.rate = port, rate
        self.poller = select.epoll()
        self.sockets = {}
        for _ in range(count):
            connection = open_socket(port)
            connection.setblocking(False)
            self.sockets[connection.fileno()] = connection
            self.poller.register(connection.fileno(), select.EPOLLIN)
        self.order = list(self.sockets)
        self.place = 0
        self.sent = {}
        self.requests = [("GET", command("GET", "probe")), ("SET", command("SET", "probe", "v" * 20))]

    def round(self, seconds):
        """The 99th percentile in ms, of reads and of writes."""
        latencies = {"GET": [], "SET": []}
        start = time.perf_counter()
        due_count, planned = 0, int(seconds * self.rate)
        while due_count < planned or self.sent:
            now = time.perf_counter()
            check(now - start < seconds + 30, f"{len(self.sent)} probes got no reply within 30 s")
            while due_count < planned and start + due_count / self.rate <= now:
                # Counted from when it was due: a probe that this process sends late must not hide a stall.
                self.send(start + due_count / self.rate)
                due_count += 1
            wait = start + due_count / self.rate - now if due_count < planned else 0.05
            for descriptor, _ in self.poller.poll(max(0.0, wait)):
                data = self.sockets[descriptor].recv(4096)
                check(data, "the server closed a probe's connection")
                due, name = self.sent.pop(descriptor)
                latencies[name].append(time.perf_counter() - due)
        return {name: p99(values) for name, values in latencies.items()}

    def send(self, due):
        for _ in range(len(self.order)):
            descriptor = self.order[self.place % len(self.order)]
            self.place += 1
            if descriptor not in self.sent:
                name, request = self.requests[self.place % len(self.requests)]
                self.sockets[descriptor].send(request)
                self.sent[descriptor] = (due, name)
                return
        # All wait for replies: this one is late by as long as they are, and they tell.


def p99(latencies):
    return sorted(latencies)[int(len(latencies) * 0.99)] * 1000


# ---- misbehaviour, in a process of its own ----

def send_and_read(port, requests, reply_bytes):
    """Several connections, each with its requests in turn, one at a time."""
    connections = [open_socket(port) for _ in requests]
    for step in range(max(map(len, requests))):
        for connection, queue in zip(connections, requests):
            if step < len(queue):
                connection.sendall(queue[step])
        for connection, queue in zip(connections, requests):
            if step < len(queue):
                take(connection, reply_bytes)
    for connection in connections:
        connection.close()


def one_pipeline(port, ready):
    connection = open_socket(port)
    ready()
    data = memoryview(command("SET", "pipe", "v" * 20) * PIPELINE)
    expected, sent = 5 * PIPELINE, 0
    connection.setblocking(False)
    poller = select.poll()
    while expected > 0:
        poller.register(connection, select.POLLIN | (select.POLLOUT if sent < len(data) else 0))
        for _, event in poller.poll(30000):
            if event & select.POLLIN:
                received = len(connection.recv(MIB))
                check(received, "the server closed a pipeline of 100,000 commands")
                expected -= received
            if event & select.POLLOUT:
                sent += connection.send(data[sent:sent + MIB])


def small_pipelines(port, ready):
    pipeline = command("SET", "pipe", "v" * 20) * 50
    ready()
    send_and_read(port, [[pipeline] * (PIPELINE // 50 // 20)] * 20, 5 * 50)


def keys(first, count):
    return [b"%07d" % number for number in range(first, first + count)]


def million_arguments(port, ready):
    """All must be looked at before the first is applied, and the write is applied in one piece."""
    request = command("DEL", *keys(0, ARGUMENTS))
    ready()
    send_and_read(port, [[request]], len(b":0\r\n"))
    suite.wait_until(time.monotonic() + 0.5)


def few_arguments(port, ready):
    deletes = [command("DEL", *keys(first, 100)) for first in range(0, ARGUMENTS, 100)]
    joined = [b"".join(deletes[at:at + 10]) for at in range(0, len(deletes), 10)]
    ready()
    send_and_read(port, [joined[at::10] for at in range(10)], 10 * len(b":0\r\n"))
    suite.wait_until(time.monotonic() + 0.5)


def never_reads(port, ready):
    """Ten clients that ask for 50 MB each and read nothing: they get about 10 MB, with the kernel's buffers."""
    connections = [open_socket(port) for _ in range(10)]
    for connection in connections:
        connection.setblocking(False)
        push(connection, command("GET", "big") * 500)
    # What the kernel and the server hold for each of them is full once nothing more comes.
    control = resp.Connection(port)
    full = [0, -1]
    while full[-1] != full[-2] or full[-1] == 0:
        suite.wait_until(time.monotonic() + 0.1)
        full.append(largest_output(control))
    ready()
    suite.wait_until(time.monotonic() + 0.7)


def half_requests(port, ready):
    connections = [open_socket(port) for _ in range(100)]
    for number, connection in enumerate(connections):
        connection.sendall([b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$50000\r\nabc", b"*1000000\r\n$3\r\nDEL\r\n$4\r\nab", b"GET big"][number % 3])
    ready()
    suite.wait_until(time.monotonic() + 0.5)


def nothing(_port, ready):
    ready()
    suite.wait_until(time.monotonic() + 0.5)


def push(connection, data):
    """As much as the kernel takes now."""
    try:
        return connection.send(data)
    except BlockingIOError:
        return 0


PAIRS = {
    "a client that never reads": (never_reads, nothing),
    "half a request, then silence": (half_requests, nothing),
    "a million arguments": (million_arguments, few_arguments),
    "a pipeline of 100,000": (one_pipeline, small_pipelines),
}


# A request of a million words is looked at and encoded in one piece, and its write is applied in one
# piece: what others wait for that is bounded here, but it is more than 1.2 times (README, Honest limits).
ALLOWED_MS_MIN = {("a million arguments", "GET"): 300.0, ("a million arguments", "SET"): 2000.0}


class Disturber:
    """Runs one of the functions above in another process, which is made once."""

    def __init__(self, port):
        self.parent, child = multiprocessing.Pipe()
        self.process = multiprocessing.get_context("fork").Process(target=self.serve, args=(child, port), daemon=True)
        self.process.start()

    @staticmethod
    def serve(pipe, port):
        gc.disable()
        while True:
            body = pipe.recv()
            if body is None:
                return
            try:
                body(port, lambda: pipe.send("ready"))
                pipe.send("")
            except Exception as error:  # told by the parent
                pipe.send(repr(error))

    def begin(self, body):
        """Returns when it stands, where it is a state, or has begun, where it is work."""
        self.parent.send(body)
        check(self.parent.poll(60), "the misbehaving client did not begin within 60 s")
        check_equal(self.parent.recv(), "ready", "the misbehaving client's own trouble")

    def finish(self):
        check(self.parent.poll(60), "the misbehaving client was not done within 60 s")
        check_equal(self.parent.recv(), "", "the misbehaving client's own trouble")

    def stop(self):
        self.parent.send(None)
        self.process.join(10)


def fairness(disturber, probes, options):
    rounds, seconds = (9, 2.0) if options.full else (4, 0.5)
    rng = random.Random(options.seed)
    failed = []
    for name, bodies in PAIRS.items():
        if options.pair not in (None, name):
            continue
        problem = judge(name, *measure(disturber, probes, bodies, rounds, seconds, rng))
        if problem:
            # Once more and longer: one in ten would fail by chance where nothing differs.
            problem = judge(name, *measure(disturber, probes, bodies, 2 * rounds, seconds, rng))
        if problem:
            failed.append(problem)
    check(not failed, "; ".join(failed))


def measure(disturber, probes, bodies, rounds, seconds, rng):
    results = ([], [])
    for _ in range(rounds):
        for kind in rng.sample((0, 1), 2):
            disturber.begin(bodies[kind])
            results[kind].append(probes.round(seconds))
            disturber.finish()
    return results


def judge(name, with_it, without):
    problems = []
    for command_name in ("GET", "SET"):
        found = [one[command_name] for one in with_it]
        base = [one[command_name] for one in without]
        middle = statistics.median(base)
        spread = statistics.median([abs(value - middle) for value in base])
        allowed = max(P99_RATIO_MAX * middle + spread, max(base), ALLOWED_MS_MIN.get((name, command_name), 0.0))
        print(f"load_test: {name}: others' {command_name} p99 {statistics.median(found):.1f} ms, {middle:.1f} without it, "
              f"allowed {allowed:.1f} (rounds {rounded(found)} | {rounded(base)})", flush=True)
        if statistics.median(found) > allowed:
            problems.append(f"{name}: the others' {command_name} p99 is {statistics.median(found):.1f} ms, {middle:.1f} without it, allowed are {allowed:.1f}")
    return "; ".join(problems)


def rounded(values):
    return " ".join(f"{value:.0f}" for value in sorted(values))


# ---- output limits ----

def is_closed(connection):
    """Without reading what is there: a reset, or the end behind it."""
    poller = select.poll()
    poller.register(connection, select.POLLRDHUP)
    return any(event & (select.POLLRDHUP | select.POLLHUP | select.POLLERR) for _, event in poller.poll(0))


def is_listed(control, connection):
    """The server knows it. Its end of the stream may stand behind megabytes that are not read."""
    return b" addr=127.0.0.1:%d " % connection.getsockname()[1] in control.command("CLIENT", "LIST")


def output_limits(server):
    control = server.connect()
    name = "client-output-buffer-limit"
    control.command("CONFIG", "SET", name, "normal 2mb 0 0")
    deaf = open_socket(server.port)
    deaf.sendall(command("GET", "big") * 500)
    poll(lambda: not is_listed(control, deaf), "a client above the hard output limit is closed", seconds=10)
    control.command("CONFIG", "SET", name, "normal 0 2mb 1")
    deaf = open_socket(server.port)
    deaf.sendall(command("GET", "big") * 500)
    poll(lambda: not is_listed(control, deaf), "a client above the soft output limit for a second is closed", seconds=10)
    control.command("CONFIG", "SET", name, "normal 0 0 0")
    deaf = open_socket(server.port)
    deaf.sendall(command("GET", "big") * 500)
    poll(lambda: largest_output(control) > 4 * MIB, "replies wait for a client that does not read", seconds=10)
    suite.wait_until(time.monotonic() + 0.5)
    held = largest_output(control)
    check(is_listed(control, deaf), "without an output limit a client that does not read was closed")
    check(server.is_redis or held <= UNSENT_BYTES_MAX + 4 * BIG, f"{held} bytes wait for a client that does not read, allowed are {UNSENT_BYTES_MAX}")
    take(deaf, 500 * (len(b"$100000\r\n") + BIG + 2))
    print(f"load_test: output limits close, hard and soft; without one {held / MIB:.1f} MiB waited, and all came when it read", flush=True)


def largest_output(control):
    lines = control.command("CLIENT", "LIST").decode().splitlines()
    return max(int(word[5:]) for line in lines for word in line.split() if word.startswith("omem="))


# ---- the budget of all clients ----

def budget(server, options):
    limit = 64 * MIB
    control = server.connect()
    control.command("CONFIG", "SET", "maxmemory-clients", limit)
    check_equal(control.command("CONFIG", "GET", "maxmemory-clients")[1], b"%d" % limit, "CONFIG GET maxmemory-clients")
    if not server.is_redis:
        check_equal(int(figures(server, "memory")["client_memory_budget"]), limit, "INFO's client_memory_budget")
    before = server.memory_kib() * KIB
    hoarders = make_hoarders(server.port, 400 if options.full else 100)
    probe, peak, used_peak, allocated = server.connect(), 0, 0, [int(figures(server, "memory")["used_memory"])]
    deadline = time.monotonic() + (15 if options.full else 4)
    while time.monotonic() < deadline:
        for connection, data in hoarders:
            try:
                push(connection, data)
            except OSError:
                pass  # it was closed: what became of the others is what counts
        began = time.monotonic()
        check_equal(probe.command("GET", "probe"), b"v" * 20, "GET while others hoard memory")
        check(time.monotonic() - began < 2, "a GET took more than 2 s while others hoarded memory")
        peak = max(peak, server.memory_kib() * KIB - before)
        memory = figures(server, "memory")
        used_peak = max(used_peak, int(memory.get("client_memory_used", 0)))
        allocated.append(int(memory["used_memory"]))
    evicted = int(figures(server, "stats")["evicted_clients"])
    print(f"load_test: {len(hoarders)} hoarders against a budget of {limit // MIB} MiB: INFO says {used_peak / MIB:.1f} at most, "
          f"allocated {(max(allocated) - allocated[0]) / MIB:.1f}, RssAnon grew by {peak / MIB:.1f} (at most {limit * RSS_RATIO_MAX / MIB:.0f}), {evicted} closed", flush=True)
    check(evicted > 0, "nobody was closed: what was asked for is far more than the budget")
    check(used_peak <= limit * OVERSHOOT_MAX, f"INFO says that clients hold {used_peak} bytes, the budget is {limit}")
    check(peak <= limit * RSS_RATIO_MAX, f"RssAnon grew by {peak} bytes, allowed are {limit * RSS_RATIO_MAX:.0f}")
    for connection, _ in hoarders:
        connection.close()
    poll(lambda: server.is_redis or int(figures(server, "memory")["client_memory_used"]) < MIB, "the ledger is empty when they are gone", seconds=10)
    control.command("CONFIG", "SET", "maxmemory-clients", 0)


def make_hoarders(port, count):
    """Those that never read, those whose request never ends, and those whose MULTI never ends."""
    word = b"$1000\r\n" + b"x" * 1000 + b"\r\n"
    kinds = [(b"", command("GET", "big") * 50), (b"*1000000\r\n", word * 300), (command("MULTI"), command("SET", "k", b"x" * 1000) * 300)]
    hoarders = []
    for number in range(count):
        connection = open_socket(port)
        connection.sendall(kinds[number % 3][0])
        connection.setblocking(False)
        hoarders.append((connection, kinds[number % 3][1]))
    # What a partial send leaves out only makes the next request malformed or large: both are hoarding, or an end.
    return hoarders


def silence(options, directory):
    """Two bodies that are announced and never sent do not keep the others waiting for ever."""
    extra = ["--proto-max-bulk-len", "32mb", "--request-memory", "32mb", "--request-body-timeout", "2"]
    with Server(options.server, os.path.join(directory, "silence"), extra=extra) as server:
        silent = open_socket(server.port)
        silent.sendall(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$33554432\r\nabc")
        poll(lambda: int(figures(server, "memory")["request_memory_used"]) > 0, "the announced body is admitted")
        began = time.monotonic()
        check_equal(server.connect().command("SET", "waits", b"w" * 200_000), "OK", "a SET that waits for room")
        took = time.monotonic() - began
        check(is_closed(silent), "the silent client was not closed")
        print(f"load_test: a body that never came gave way after {took:.1f} s (request-body-timeout 2)", flush=True)
        check(1.0 < took < 6.0, f"the silent client gave way after {took:.1f} s, expected are about 2")


def main(options, directory):
    gc.disable()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, OPEN_FILES), hard))
    idle_count, active_count = (10_000, 1_000) if options.full else (2_000, 200)
    needed = idle_count + active_count + 500
    check(min(hard, OPEN_FILES) > needed, f"{hard} open files are allowed: too few for {needed}")
    wanted = {"all": PARTS, "bounded": BOUNDED}.get(options.part, [options.part])
    extra = ["--maxclients", str(needed)]
    if "redis-server" not in options.server:
        extra += ["--log-memory", "16mb"]
    with Server(options.server, os.path.join(directory, "server"), extra=extra) as server:
        control = server.connect()
        control.command("SET", "probe", b"v" * 20)
        control.command("SET", "big", b"b" * BIG)
        disturber = Disturber(server.port)  # forked before this process holds the sockets
        idle = idle_connections(server, idle_count) if "idle" in wanted else []
        if "fairness" in wanted:
            probes = Probes(server.port, active_count, 3000 if options.full else 1500)
            probes.round(0.5)
            fairness(disturber, probes, options)
        disturber.stop()
        if "output" in wanted:
            output_limits(server)
        if "budget" in wanted:
            budget(server, options)
        for connection in idle[:100]:
            connection.sendall(command("PING"))
            check_equal(connection.recv(100), b"+PONG\r\n", "an idle connection after all that")
        check(server.alive(), "the server ended")
    if "silence" in wanted and not server.is_redis:
        silence(options, directory)


if __name__ == "__main__":
    arguments = suite.parser(__doc__)
    arguments.add_argument("--part", choices=PARTS + ["bounded", "all"], default="all")
    arguments.add_argument("--pair", choices=list(PAIRS), help="of fairness, only this one")
    suite.main(main, arguments.parse_args())
