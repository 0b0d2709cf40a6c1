#!/usr/bin/python3
"""under_load: the whole server, built with a sanitizer, while clients do everything at once.

Most unit tests run on the simulator's single thread, where ThreadSanitizer sees nothing. Here the
loops, the log, apply, the reader pool, HTTP and RocksDB's compaction run for real: budgets so small
that the index is frozen and segments are dropped all the time, two loops and then one, values of all sizes,
transactions, expiry, long reads, INFO and /metrics meanwhile, connections that come and go.
Passes if every process ended with status 0 at SIGTERM and no sanitizer said a word.
"""

import http.client
import os
import random
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness import resp, suite  # noqa: E402
from harness.server import Server  # noqa: E402
from harness.suite import Failure, check  # noqa: E402

OPTIONS = ["--pool-threads", "3", "--memory-budget", "2mb", "--dirty-budget", "1mb", "--block-cache", "1mb",
           "--segment-size", "4mb", "--log-memory", "1mb", "--log-bytes-per-freeze", "4mb", "--slowlog-log-slower-than", "0"]
SIZES = [3, 3, 3, 40, 900, 1500, 5000, 70_000]
WORDS_OF_SANITIZERS = ["ThreadSanitizer", "AddressSanitizer", "LeakSanitizer", "runtime error:", "check failed"]


def a_command(rng, number):
    key = f"k{rng.randrange(400)}"
    value = rng.randbytes(rng.choice(SIZES))
    commands = [
        ("SET", key, value), ("SET", key, value, "PX", rng.randrange(1, 300)), ("GET", key), ("GETRANGE", key, 10, 2000),
        ("INCR", f"n{rng.randrange(5)}"), ("APPEND", f"a{number}", value[:2000]), ("SETRANGE", key, 100, value[:500]),
        ("DEL", key), ("COPY", key, f"k{rng.randrange(400)}", "REPLACE"), ("RENAME", key, f"k{rng.randrange(400)}"),
        ("MGET", *(f"k{i}" for i in range(20))), ("MSET", *(word for i in range(10) for word in (f"m{i}", value[:50]))),
        ("SCAN", 0, "COUNT", 100), ("RANDOMKEY",), ("DBSIZE",), ("EXISTS", key), ("STRLEN", key), ("EXPIRE", key, 1), ("TTL", key),
        ("OBJECT", "ENCODING", key), ("BITCOUNT", key), ("SETBIT", f"b{number}", rng.randrange(100_000), 1),
    ]
    rare = [("KEYS", "k1*"), ("FLUSHDB",), ("SWAPDB", 0, 1), ("SET", f"large{number}", rng.randbytes(700_000)), ("GET", f"large{number}")]
    return rng.choice(rare) if rng.random() < 0.01 else rng.choice(commands)


def writer(port, number, seed, until):
    """Pipelines on a connection that is left now and then, half a request on its way."""
    rng = random.Random(f"{seed}/{number}")
    while time.monotonic() < until:
        connection = resp.Connection(port, protocol=2 + number % 2)
        for _ in range(30):
            if time.monotonic() >= until:
                break
            commands = [a_command(rng, number) for _ in range(rng.choice([1, 4, 30]))]
            if rng.random() < 0.2:
                commands = [("WATCH", "k1"), ("MULTI",), *commands, ("EXEC",)]
            connection.pipeline([[str(word) if isinstance(word, int) else word for word in command] for command in commands])
        connection.send_raw(b"*2\r\n$3\r\nGET\r\n$9\r\nhal")
        connection.close()


def operator(server, until):
    """Looks at everything, and changes what may be changed."""
    connection = resp.Connection(server.port)
    looks = [("INFO",), ("CLIENT", "LIST"), ("SLOWLOG", "GET", "10"), ("CONFIG", "GET", "*"), ("RAFT", "INFO"), ("RAFT", "HASH"),
             ("CLUSTER", "SLOTS"), ("CONFIG", "SET", "maxclients", "5000"), ("CONFIG", "SET", "timeout", "60"),
             ("CONFIG", "SET", "slowlog-max-len", "20"), ("SLOWLOG", "RESET"), ("MEMORY", "USAGE", "k1"), ("COMMAND", "COUNT")]
    while time.monotonic() < until:
        connection.pipeline(looks)
        for path in ("/metrics", "/health", "/leader", "/"):
            page = http.client.HTTPConnection("127.0.0.1", server.http_port, timeout=30)
            try:
                page.request("GET", path)
                page.getresponse().read()
            except ConnectionError:
                pass  # it closes on who is silent for a second, as this thread may be among so many
            page.close()


def guarded(problems, work, *arguments):
    try:
        work(*arguments)
    except Exception as error:  # a thread's last words must reach the suite
        problems.append(repr(error))


def stop(server):
    status = server.terminate(120.0)
    with open(server.log_path, "rb") as log:
        text = log.read().decode("utf-8", "replace")
    for words in WORDS_OF_SANITIZERS:
        if words in text:
            raise Failure(f"{words}:\n{text[:20000]}")
    check(status == 0, f"exit status {status} at SIGTERM; its last words:\n{text[-4000:]}")


def run(options, directory):
    # The second recovers what the first wrote. With one loop, small entries are applied on it and the
    # others on a thread: that is another set of meetings between threads than with two.
    for part, loops in enumerate(("2", "1")):
        server = Server(os.path.abspath(options.server), directory, extra=[*OPTIONS, "--loops", loops])
        server.start()
        until = time.monotonic() + options.seconds / 2
        problems = []
        threads = [threading.Thread(target=guarded, args=(problems, writer, server.port, number, options.seed + part, until))
                   for number in range(options.clients)]
        threads.append(threading.Thread(target=guarded, args=(problems, operator, server, until)))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(options.seconds + 120)
        if problems and not server.alive():
            raise Failure(f"the server ended, exit status {server.process.poll()}:\n{server.log_tail(150)}")
        check(not problems, f"clients: {problems}")
        stop(server)


if __name__ == "__main__":
    PARSER = suite.parser(__doc__)
    PARSER.add_argument("--seconds", type=float, default=20.0)
    PARSER.add_argument("--clients", type=int, default=6)
    OPTIONS_GIVEN = PARSER.parse_args()
    suite.main(run, OPTIONS_GIVEN)
