#!/usr/bin/python3
"""load_test: many connections, and some that misbehave.

Six questions, each with its bound (the constants below and those of load_fairness.py):
  idle      what does a connection cost that has done something and then sleeps?
  fairness  how long do others wait while one client never reads, stops in the midst of a request,
            sends a request of a million words, or a pipeline of 100,000 commands? (load_fairness.py)
  glimpse   one pair of them against a loose bound: what make test can tell on a busy machine
  output    is a client that never reads closed by client-output-buffer-limit, and held back without?
  budget    do all clients together stay within --client-memory, and does INFO say so?
  silence   does a body that never comes give its room (--request-memory) to those that wait?
"""

import gc
import os
import resource
import select
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness import resp, suite  # noqa: E402
from harness.server import Server, is_redis  # noqa: E402
from harness.suite import check, check_equal, poll  # noqa: E402
from load_fairness import (BIG, PAIRS, VALUE, Disturber, Probes, Turns, command, fairness, glimpse, largest_output,  # noqa: E402
                           measure_redis, open_socket, prepare, push, take)

KIB, MIB = 1 << 10, 1 << 20
IDLE_KIB_MAX = 20.0
# What INFO may show for a moment, until the largest are closed; and what the allocator makes of it (RSS_RATIO_MAX):
# what buffers that grow and clients that go leave behind is given back ten times a second.
OVERSHOOT_MAX = 1.25
# At the highest, as INFO tells: all hoarders may send at once between two times that the largest are looked for.
PEAK_RATIO_MAX = 2.0
RSS_RATIO_MAX = 2.5
UNSENT_BYTES_MAX = 8 * MIB  # of one client that never reads, before it is not served any further
OPEN_FILES = 16000
PARTS = ["idle", "fairness", "glimpse", "output", "budget", "silence"]
# What does not compare latencies, and so holds on a machine that others use, too.
BOUNDED = [part for part in PARTS if part != "fairness"]


def figures(server, section):
    text = server.connect().command("INFO", section).decode()
    return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)


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


# ---- the budget of all clients ----

def budget(server, options):
    limit = 64 * MIB
    control = server.connect()
    control.command("CONFIG", "SET", "maxmemory-clients", limit)
    control.command("CONFIG", "RESETSTAT")  # the peak is of this part
    check_equal(control.command("CONFIG", "GET", "maxmemory-clients")[1], b"%d" % limit, "CONFIG GET maxmemory-clients")
    if not server.is_redis:
        check_equal(int(figures(server, "memory")["client_memory_budget"]), limit, "INFO's client_memory_budget")
    before = server.memory_kib() * KIB
    hoarders = make_hoarders(server.port, 400 if options.full else 100)
    probe, peak, used_max, allocated = server.connect(), 0, 0, [int(figures(server, "memory")["used_memory"])]
    deadline = time.monotonic() + (15 if options.full else 4)
    while time.monotonic() < deadline:
        for connection, data in hoarders:
            try:
                push(connection, data)
            except OSError:
                pass  # it was closed: what became of the others is what counts
        began = time.monotonic()
        check_equal(probe.command("GET", "probe"), VALUE, "GET while others hoard memory")
        check(time.monotonic() - began < 2, "a GET took more than 2 s while others hoarded memory")
        peak = max(peak, server.memory_kib() * KIB - before)
        memory = figures(server, "memory")
        used_max = max(used_max, int(memory.get("client_memory_used", 0)))
        allocated.append(int(memory["used_memory"]))
    # What was sampled would miss what stood between two samples.
    used_peak = int(figures(server, "memory").get("client_memory_peak", 0))
    evicted = int(figures(server, "stats")["evicted_clients"])
    print(f"load_test: {len(hoarders)} hoarders against a budget of {limit // MIB} MiB: INFO says {used_peak / MIB:.1f} at most, {used_max / MIB:.1f} when asked, "
          f"allocated {(max(allocated) - allocated[0]) / MIB:.1f}, RssAnon grew by {peak / MIB:.1f} (at most {limit * RSS_RATIO_MAX / MIB:.0f}), {evicted} closed", flush=True)
    check(evicted > 0, "nobody was closed: what was asked for is far more than the budget")
    check(used_max <= limit * OVERSHOOT_MAX, f"INFO says that clients hold {used_max} bytes, the budget is {limit}")
    check(used_peak <= limit * PEAK_RATIO_MAX, f"INFO says that clients held {used_peak} bytes for a moment, the budget is {limit}")
    check(server.is_redis or used_peak > limit / 2, f"INFO says that clients held {used_peak} bytes at most: the budget of {limit} was never tried")
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
    reference = {}
    if "fairness" in wanted and not is_redis(options.server):
        reference = measure_redis(options, directory, ["--maxclients", str(needed)])
    extra = ["--maxclients", str(needed)]
    if not is_redis(options.server):
        extra += ["--log-memory", "16mb"]
    with Server(options.server, os.path.join(directory, "server"), extra=extra) as server:
        prepare(server)
        disturber = Disturber(server.port)  # forked before this process holds the sockets
        idle = idle_connections(server, idle_count) if "idle" in wanted else []
        if {"fairness", "glimpse"} & set(wanted):
            probes = Probes(server.port, active_count, 3000 if options.full else 1500)
            probes.round(0.5)
            turns = None if server.is_redis else Turns(server)
            if "glimpse" in wanted:
                glimpse(disturber, probes, options, turns)
            if "fairness" in wanted:
                fairness(disturber, probes, options, reference, turns)
        disturber.stop()
        if "output" in wanted:
            output_limits(server)
        if "budget" in wanted:
            budget(server, options)
        for connection in idle[:100]:
            connection.sendall(command("PING"))
            check_equal(connection.recv(100), b"+PONG\r\n", "an idle connection after all that")
        check(server.alive(), "the server ended")
    if "silence" in wanted and not is_redis(options.server):
        silence(options, directory)


if __name__ == "__main__":
    arguments = suite.parser(__doc__)
    arguments.add_argument("--part", choices=PARTS + ["bounded", "all"], default="all")
    arguments.add_argument("--pair", choices=list(PAIRS), help="of fairness, only this one")
    suite.main(main, arguments.parse_args())
