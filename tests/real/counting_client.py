#!/usr/bin/python3
"""counting_client: python3-redis counts while leaders change; the same as node/counting.js.

    counting_client.py PORTS cluster|sentinel|cli KEY

`cli` is redis-cli -c, one process that is fed INCR after INCR. Says "ready", counts until its standard
input ends, then prints {"values": [...], "errors": [...], "gap_ms": N, "renewed": N}; `renewed` is how
often the client was made anew, as an application would do where it does not recover by itself: redis-cli
when its connection is gone (it knows one address), redis-py when it fails on itself (RedisClusterException).
"""

import json
import subprocess
import sys
import threading
import time

PAUSE_SECONDS = 0.005


class CliEnded(Exception):
    """redis-cli, or its connection, is gone."""


def make_cluster(ports):
    from redis.cluster import ClusterNode, RedisCluster
    return RedisCluster(startup_nodes=[ClusterNode("127.0.0.1", port) for port in ports], socket_timeout=5)


def make_sentinel(ports):
    from redis.backoff import ConstantBackoff
    from redis.exceptions import ConnectionError as Broken
    from redis.retry import Retry
    from redis.sentinel import Sentinel
    sentinel = Sentinel([("127.0.0.1", port) for port in ports], socket_timeout=5)
    # As its manual says for failovers: a connection that breaks is made again, and the command repeated.
    return sentinel.master_for("mymaster", socket_timeout=5, retry=Retry(ConstantBackoff(0.05), 40), retry_on_error=[Broken])


class Cli:
    """redis-cli -c keeps one connection and prints where it was sent."""

    next_port = 0

    def __init__(self, ports):
        port = ports[Cli.next_port % len(ports)]
        Cli.next_port += 1
        self.process = subprocess.Popen(["redis-cli", "-c", "-p", str(port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True, bufsize=1)

    def incr(self, key):
        self.process.stdin.write(f"INCR {key}\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline().strip()
        while line.startswith("-> Redirected") or not line:
            if self.process.poll() is not None:
                raise CliEnded("redis-cli ended")
            line = self.process.stdout.readline().strip()
        try:
            return int(line)
        except ValueError:
            raise CliEnded(line) from None


MAKERS = {"cluster": make_cluster, "sentinel": make_sentinel, "cli": Cli}


def renew(mode, ports):
    while True:
        try:
            return MAKERS[mode](ports)
        except Exception:  # pylint: disable=broad-except  # nobody who could be asked is there yet
            time.sleep(0.05)


def main():
    ports, mode, key = [int(port) for port in sys.argv[1].split(",")], sys.argv[2], sys.argv[3]
    client = MAKERS[mode](ports)
    ending = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ending.set()), daemon=True).start()
    print("ready", flush=True)
    values, errors, renewed, gap, last = [], [], 0, 0.0, time.monotonic()
    while not ending.is_set():
        try:
            values.append(int(client.incr(key)))
            gap = max(gap, time.monotonic() - last)
            last = time.monotonic()
        except Exception as error:  # pylint: disable=broad-except  # whatever the application would see
            errors.append(f"{type(error).__name__}: {error}")
            time.sleep(0.05)
            if type(error).__name__ in ("RedisClusterException", "CliEnded"):
                renewed += 1
                client = renew(mode, ports)
        time.sleep(PAUSE_SECONDS)
    gap = max(gap, time.monotonic() - last)
    print(json.dumps({"values": values, "errors": errors, "gap_ms": int(gap * 1000), "renewed": renewed}), flush=True)


if __name__ == "__main__":
    main()
