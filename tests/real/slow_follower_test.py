#!/usr/bin/python3
"""slow_follower_test: a follower that is a hundred times slower than the others costs little.

    slow_follower_test.py            four pairs of phases (make test), or up to sixteen where others use the machine
    slow_follower_test.py --full     twenty pairs

Three real nodes and SETs at the leader. In every second phase one follower runs for a
hundredth of the time, always the same one: it is stopped (SIGSTOP) and goes on (SIGCONT). Healthy and slow phases
take turns, and the medians of their throughput are compared: with a slow minority the group does at
least RATIO_MIN of what it does without. Before each phase the slow one may catch up, so that a
healthy phase does not pay for the slow one before it. Nobody else leads meanwhile.

The three nodes and the load share the processors here, and a node that is stopped leaves its share to
the others: on machines of their own the ratio may be lower than what is printed, and not above 1.
"""

import os
import signal
import statistics
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness import suite  # noqa: E402
from harness.cluster import Cluster, pairs_of, raft_info  # noqa: E402
from harness.suite import Failure, check, check_equal, poll  # noqa: E402

RATIO_MIN = 0.8
RUNNING_SECONDS, SLOWDOWN = 0.001, 100
RUNNING_SHARE_MAX = 2 / SLOWDOWN
CLIENTS, PIPELINE, VALUE_BYTES, KEYS = 20, 16, 100, 100_000
PHASE_SECONDS = 1.0
PAIRS, PAIRS_MAX, PAIRS_FULL = 4, 16, 20
CATCH_UP_SECONDS = 60.0
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


class Slowed:
    """While the block lasts the process runs for a hundredth of the time: it is stopped 99 times as long
    as it has run, however late this thread is on a busy machine."""

    def __init__(self, pid):
        self.pid = pid
        self.ending = threading.Event()
        self.running_seconds = self.stopped_seconds = 0.0
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        os.kill(self.pid, signal.SIGSTOP)
        stopped, wait = time.monotonic(), RUNNING_SECONDS * (SLOWDOWN - 1)
        while not self.ending.wait(wait):
            began = time.monotonic()
            os.kill(self.pid, signal.SIGCONT)
            time.sleep(RUNNING_SECONDS)  # how long it runs
            os.kill(self.pid, signal.SIGSTOP)
            self.stopped_seconds += began - stopped
            stopped = time.monotonic()
            self.running_seconds += stopped - began
            wait = (stopped - began) * (SLOWDOWN - 1)
        os.kill(self.pid, signal.SIGCONT)
        self.stopped_seconds += time.monotonic() - stopped

    @property
    def running_share(self):
        return self.running_seconds / (self.running_seconds + self.stopped_seconds)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ending.set()
        self.thread.join()


def cpu_seconds(node):
    with open(f"/proc/{node.pid}/stat", encoding="utf-8") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND  # utime, stime


def load(node, requests):
    """SETs per second, as redis-benchmark counts them; whatever is not +OK ends it."""
    command = ["redis-benchmark", "-p", str(node.port), "-t", "set", "-n", str(requests), "-c", str(CLIENTS),
               "-P", str(PIPELINE), "-d", str(VALUE_BYTES), "-r", str(KEYS), "--csv"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=120, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith('"SET"')]
    if done.returncode != 0 or len(lines) != 1:
        raise Failure(f"{' '.join(command)}: exit status {done.returncode}: {done.stdout[-400:]}")
    return float(lines[0].split(",")[1].strip('"'))


class Phases:
    def __init__(self, leader, slow):
        self.leader, self.slow = leader, slow
        self.requests = 20_000
        self.rates = {"healthy": [], "slow": []}
        self.cpu = {"healthy": [], "slow": []}  # of the slow one, per second
        self.lags = []  # at the end of slow phases, as shares of their entries
        self.running_shares = []

    def warm_up(self):
        """Also tells how many requests a phase takes."""
        load(self.leader, self.requests)
        self.requests = int(load(self.leader, self.requests) * PHASE_SECONDS)

    def catch_up(self):
        commit = raft_info(self.leader)["commit"]
        poll(lambda: raft_info(self.slow)["applied"] >= commit, f"{self.slow.name} catches up", CATCH_UP_SECONDS, 0.02)

    def run(self, name):
        used, began = cpu_seconds(self.slow), time.monotonic()
        self.rates[name].append(load(self.leader, self.requests))
        self.cpu[name].append((cpu_seconds(self.slow) - used) / (time.monotonic() - began))

    def run_slow(self):
        before = raft_info(self.leader)["log-last"]
        with Slowed(self.slow.pid) as slowed:
            self.run("slow")
            after = raft_info(self.leader)
        peer = next(one for one in map(pairs_of, after["peers"]) if one["name"] == self.slow.name.encode())
        self.lags.append((after["log-last"] - peer["match"]) / (after["log-last"] - before))
        self.running_shares.append(slowed.running_share)

    @property
    def pair_count(self):
        return len(self.rates["slow"])

    @property
    def ratio(self):
        """Of all phases: where it is too low, more of them are run, and none is forgotten."""
        return statistics.median(self.rates["slow"]) / statistics.median(self.rates["healthy"])

    def judge(self):
        rates = {name: statistics.median(all_of) for name, all_of in self.rates.items()}
        cpu = {name: statistics.median(all_of) for name, all_of in self.cpu.items()}
        ratio, running = self.ratio, max(self.running_shares)
        print(f"slow_follower_test: {rates['healthy']:.0f} SETs a second, {rates['slow']:.0f} with a slow follower: {ratio:.2f} (at least "
              f"{RATIO_MIN}); it ran for {100 * running:.1f} % of the time, used {100 * cpu['slow']:.1f} % of a processor ({100 * cpu['healthy']:.1f} % "
              f"otherwise), and lacked {100 * max(self.lags):.0f} % of a phase's entries at its end; three nodes and the load on "
              f"{os.cpu_count()} processors; {self.pair_count} pairs", flush=True)
        check(running <= RUNNING_SHARE_MAX, f"the slow follower ran for {running:.3f} of the time: it was not slow")
        check(ratio >= RATIO_MIN, f"a slow follower leaves {ratio:.2f} of the throughput, expected {RATIO_MIN}: {self.rates}")


def run(options, directory):
    with Cluster(options.server, directory) as cluster:
        leader = cluster.leader()
        term = raft_info(leader)["term"]
        phases = Phases(leader, cluster.followers()[0])
        phases.warm_up()
        pairs_min, pairs_max = (PAIRS_FULL, PAIRS_FULL) if options.full else (PAIRS, PAIRS_MAX)
        while phases.pair_count < pairs_min or (phases.ratio < RATIO_MIN and phases.pair_count < pairs_max):
            phases.catch_up()
            phases.run("healthy")
            phases.catch_up()
            phases.run_slow()
        phases.catch_up()
        after = raft_info(cluster.leader())
        check(cluster.leader() is leader, f"{cluster.leader().name} leads, {leader.name} did before")
        check_equal(after["term"], term, "the term: a slow follower makes no election")
        phases.judge()
        for node in cluster.nodes:
            check_equal(node.terminate(), 0, f"SIGTERM: exit status of {node.name}")


if __name__ == "__main__":
    suite.main(run, suite.parser(__doc__).parse_args())
