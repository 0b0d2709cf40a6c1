#!/usr/bin/python3
"""clients_test: the clients that people have, each doing what people do with it.

redis-cli, redis-benchmark, python3-redis, and from npm ioredis and node-redis; RESP2 and RESP3; the
cluster modes against the group of one (only where the server under test is alfheimdb: a plain
redis-server has no cluster). redis-py's Lock needs EVAL, which this server does not have yet.
"""

import fcntl
import hashlib
import os
import pty
import re
import select
import shutil
import struct
import subprocess
import sys
import termios
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness import suite  # noqa: E402
from harness.server import Server  # noqa: E402
from harness.suite import Failure, check, check_equal  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAM_SECONDS = 60


def program(command, given=None, status=0, environment=None):
    """What a program printed; a failure when it took too long or ended otherwise than expected."""
    try:
        done = subprocess.run(command, input=given, capture_output=True, timeout=PROGRAM_SECONDS, check=False, env=environment,
                              stdin=subprocess.DEVNULL if given is None else None)
    except subprocess.TimeoutExpired as error:
        raise Failure(f"{' '.join(command)}: not finished within {PROGRAM_SECONDS} s; so far:\n{error.stdout}") from None
    text = done.stdout.decode("utf-8", "replace")
    if done.returncode != status:
        raise Failure(f"{' '.join(command)}: exit status {done.returncode}\n{text[-3000:]}\n{done.stderr.decode('utf-8', 'replace')[-3000:]}")
    return text


# redis-cli

def redis_cli(server):
    def cli(*words, given=None):
        return program(["redis-cli", "-p", str(server.port), *words], given)
    for protocol in ("-2", "-3"):
        check_equal(cli(protocol, "FLUSHALL").strip(), "OK", "redis-cli FLUSHALL")
        check_equal(cli(protocol, "SET", "k", "v").strip(), "OK", "redis-cli SET")
        check_equal(cli(protocol, "GET", "k").strip(), "v", "redis-cli GET")
        check_equal(cli(protocol, "-x", "SET", "stdin", given=b"a\0b\n").strip(), "OK", "redis-cli -x")
        check_equal(cli(protocol, "STRLEN", "stdin").strip(), "4", "STRLEN of what -x set")
        check_equal(cli(protocol, "-n", "5", "GET", "k").strip(), "", "the key in another database")
        check("ERR wrong number" in cli(protocol, "GET"), "redis-cli GET without a key gave no error")
        for word in ("COMMAND", "INFO", "CLIENT LIST"):
            check(len(cli(protocol, *word.split())) > 40, f"redis-cli {word} printed next to nothing")
    commands = b"".join(b"SET scan:%d %d\n" % (i, i) for i in range(500))
    check_equal(cli(given=commands).count("OK"), 500, "commands on redis-cli's standard input")
    pipe = b"".join(b"*3\r\n$3\r\nSET\r\n$6\r\np:%04d\r\n$1\r\nx\r\n" % i for i in range(1000))
    check("errors: 0, replies: 1000" in cli("--pipe", given=pipe), "redis-cli --pipe lost replies")
    check_equal(len(set(cli("--scan", "--pattern", "scan:*").split())), 500, "keys found by redis-cli --scan")
    summary = cli("--bigkeys")
    check("Sampled 1502 keys" in summary, lambda: f"redis-cli --bigkeys: {summary[-800:]}")
    cli_stat(server)
    cli_interactive(server)


def cli_stat(server):
    process = subprocess.Popen(["redis-cli", "-p", str(server.port), "--stat", "-i", "0.1"], stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        text = read_until(process.stdout.fileno(), lambda t: len(re.findall(r"(?m)^1502 +\S+ +\d+ +\d+ +\d+", t)) >= 2, 15, "redis-cli --stat")
        check("keys" in text, "redis-cli --stat printed no header")
    finally:
        process.kill()
        process.wait()


def cli_interactive(server):
    """On a terminal redis-cli asks COMMAND DOCS first, and shows hints from it."""
    pid, terminal = pty.fork()
    if pid == 0:
        # Without a size redis-cli would ask the terminal where its cursor is, and wait.
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 160, 0, 0))
        os.environ["TERM"] = "xterm"
        os.execvp("redis-cli", ["redis-cli", "-p", str(server.port)])
    try:
        flags = fcntl.fcntl(terminal, fcntl.F_GETFL)
        fcntl.fcntl(terminal, fcntl.F_SETFL, flags | os.O_NONBLOCK)
        read_until(terminal, lambda t: "> " in t, 15, "redis-cli's prompt")
        os.write(terminal, b"SET ")
        read_until(terminal, lambda t: "key value" in t, 15, "redis-cli's hint for SET (from COMMAND DOCS)")
        os.write(terminal, b"interactive yes\r")
        read_until(terminal, lambda t: "OK" in t, 15, "redis-cli's answer to SET")
    finally:
        os.kill(pid, 9)
        os.close(terminal)
        os.waitpid(pid, 0)


def read_until(descriptor, enough, seconds, what):
    text, deadline = "", time.monotonic() + seconds
    while not enough(text):
        readable, _, _ = select.select([descriptor], [], [], max(0, deadline - time.monotonic()))
        if not readable:
            raise Failure(f"{what}: not within {seconds} s; it printed {suite.shorten(text, 800)}")
        try:
            data = os.read(descriptor, 65536)
        except BlockingIOError:
            continue
        except OSError as error:
            raise Failure(f"{what}: {error}; it printed {suite.shorten(text, 800)}") from None
        if not data:
            raise Failure(f"{what}: the program ended; it printed {suite.shorten(text, 800)}")
        text += data.decode("utf-8", "replace")
    return text


# redis-benchmark

def redis_benchmark(server, full):
    tests = "ping_inline,ping_mbulk,set,get,incr,mset"
    count = "200000" if full else "6000"
    for extra in ([], ["-P", "16"], ["-3"], ["-r", "10000", "-d", "2000"]):
        text = program(["redis-benchmark", "-p", str(server.port), "-t", tests, "-n", count, "-c", "50", "--csv"] + extra)
        rows = [line for line in text.splitlines() if line.startswith('"') and not line.startswith('"test"')]
        check_equal(len(rows), 6, f"result rows of redis-benchmark {' '.join(extra)}")
        check("rror" not in text, lambda: f"redis-benchmark {extra} met an error: {text}")


# python3-redis

def python_redis(server):
    import redis
    for decode in (False, True):
        client = redis.Redis(port=server.port, decode_responses=decode, socket_timeout=20)
        text = (lambda s: s) if decode else (lambda s: s.encode())
        client.flushall()
        check_equal(client.ping(), True, "ping")
        check_equal(client.set("k", "grüße"), True, "set")
        check_equal(client.get("k"), text("grüße"), "get")
        check_equal(client.set("k", "x", nx=True), None, "set nx")
        check_equal(client.set("k", "y", get=True), text("grüße"), "set get")
        check_equal(client.mget("k", "none"), [text("y"), None], "mget")
        check_equal(client.incrbyfloat("f", 1.5), 1.5, "incrbyfloat")
        check_equal(client.bitfield("b").set("u8", 0, 255).incrby("u8", 0, 10, "SAT").execute(), [0, 255], "bitfield")
        client.set("t", "x", ex=1000)
        check(990 < client.ttl("t") <= 1000, "ttl")
        check_equal(sorted(client.keys()), sorted(map(text, "kfbt")), "keys")
        pipe = client.pipeline(transaction=False)
        for number in range(2000):
            pipe.set(f"scan:{number}", number)
        check_equal(pipe.execute(), [True] * 2000, "a pipeline of 2000")
        check_equal(len(set(client.scan_iter("scan:*", count=100))), 2000, "scan_iter")
        block = client.pipeline()
        check_equal(block.set("m", 1).incr("m").get("m").execute(), [True, 2, text("2")], "MULTI/EXEC")
        check(client.info()["redis_version"].startswith("7."), "info: redis_version")
        check(client.info("memory")["maxmemory_policy"] == "noeviction", "info memory: maxmemory_policy")
        check(int(client.config_get("databases")["databases"]) == 16, "config_get databases")
        check(client.command_count() > 60 and "get" in client.command(), "command")
        try:
            client.incr("k")
            raise Failure("INCR of a text raised nothing")
        except redis.ResponseError as error:
            check_equal(str(error), "value is not an integer or out of range", "INCR of a text")
        check_equal(client.client_setname("python"), True, "client_setname")
        check(client.client_id() > 0 and len(client.client_list()) >= 1, "client_id, client_list")
    python_watch_loop(redis, server)


def python_watch_loop(redis, server):
    """The optimistic loop of redis-py's manual, run by two clients against each other."""
    first, second = (redis.Redis(port=server.port, socket_timeout=20) for _ in range(2))
    first.set("w", 0)
    conflicts = 0
    for turn in range(50):
        with first.pipeline() as pipe:
            while True:
                try:
                    pipe.watch("w")
                    value = int(pipe.get("w"))
                    if turn % 2 and conflicts <= turn // 2:
                        second.incr("w")
                    pipe.multi()
                    pipe.set("w", value + 1)
                    pipe.execute()
                    break
                except redis.WatchError:
                    conflicts += 1
    check_equal(int(first.get("w")), 50 + conflicts, "the counter of the WATCH loop")
    check_equal(conflicts, 25, "conflicts that the WATCH loop met")


def python_cluster(server):
    import redis
    from redis.cluster import RedisCluster
    client = RedisCluster(host="127.0.0.1", port=server.port, socket_timeout=20)
    client.set("a", 1)
    client.mset_nonatomic({"b": 2, "c": 3})
    check_equal([client.get(key) for key in "abc"], [b"1", b"2", b"3"], "redis-py's cluster client")
    check_equal(client.cluster_keyslot("{tag}x"), redis.crc.key_slot(b"{tag}x"), "CLUSTER KEYSLOT")


# npm

def node_modules():
    """The locked packages, installed once per lock file outside the tree."""
    with open(os.path.join(HERE, "node", "package-lock.json"), "rb") as lock:
        name = hashlib.sha256(lock.read()).hexdigest()[:16]
    cache = os.environ.get("ALF_CACHE_DIR") or os.path.expanduser("~/.cache/alfheimdb")
    directory = os.path.join(cache, "node", name)
    os.makedirs(directory, exist_ok=True)
    with open(os.path.join(directory, "lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(os.path.join(directory, "complete")):
            for file in ("package.json", "package-lock.json"):
                shutil.copy(os.path.join(HERE, "node", file), directory)
            program(["npm", "ci", "--prefix", directory, "--no-audit", "--no-fund", "--ignore-scripts"])
            with open(os.path.join(directory, "complete"), "w"):
                pass
    return os.path.join(directory, "node_modules")


def npm_clients(server, modules, mode):
    for library in ("ioredis", "redis"):
        for protocol in ("2", "3"):
            program(["node", os.path.join(HERE, "node", "clients.js"), str(server.port), library, protocol, mode],
                    environment={**os.environ, "NODE_PATH": modules})


def main(options, directory):
    modules = node_modules()
    with Server(options.server, os.path.join(directory, "server")) as server:
        parts = [("redis-cli", lambda: redis_cli(server)), ("redis-benchmark", lambda: redis_benchmark(server, options.full)),
                 ("python3-redis", lambda: python_redis(server)), ("ioredis and node-redis", lambda: npm_clients(server, modules, "plain"))]
        if not server.is_redis:
            parts += [("python3-redis, cluster", lambda: python_cluster(server)),
                      ("ioredis and node-redis, cluster", lambda: npm_clients(server, modules, "cluster")),
                      ("redis-cli -c", lambda: check_equal(program(["redis-cli", "-c", "-p", str(server.port), "SET", "c", "1"]).strip(), "OK", "SET"))]
        for name, run in parts:
            began = time.monotonic()
            try:
                run()
            except Failure as failure:
                raise Failure(f"{name}: {failure}") from None
            check(server.alive(), lambda name=name: f"{name}: the server ended:\n{server.log_tail()}")
            print(f"clients_test: {name}: {time.monotonic() - began:.1f} s", flush=True)


if __name__ == "__main__":
    suite.main(main, suite.parser(__doc__).parse_args())
