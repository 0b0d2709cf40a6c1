#!/usr/bin/python3
"""cluster_test: real nodes, each a host of its own, clients that go where they are sent, and faults.

    cluster_test.py                       all faults, one after the other (make test)
    cluster_test.py --full                each fault for five minutes, and all in turn (make soak)
    cluster_test.py --fault kill_leader --fault snapshot --seconds 60
    cluster_test.py --option=--read-mode=lease         further options of the nodes

What clients are told is judged as tests/real/cluster_load.py says; the faults stand in
tests/real/cluster_faults.py. At the end all nodes have the same state.
"""

import os
import random
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cluster_faults import NAMES, Faults  # noqa: E402
from cluster_load import Load  # noqa: E402
from harness import linearizable, suite, wire  # noqa: E402
from harness.certificates import Authority  # noqa: E402
from harness.cluster import Cluster, raft_info  # noqa: E402
from harness.loop_disk import NoLoopMounts  # noqa: E402
from harness.suite import check  # noqa: E402

CLIENTS = 20
NODES = 3
HOSTS = NODES + 1  # one is free, for a member that comes before another goes
RETAIN_BYTES = 4 << 20
DISK_MIB, HANGING_DISK_MIB = 256, 1024
HASH = 1  # of what RAFT HASH answers: the log index, the hash
LEASE = "--read-mode=lease"
OPTIONS = ["--segment-size", "4mb", "--log-retain-bytes", str(RETAIN_BYTES), "--log-bytes-per-freeze", "2mb",
           "--disk-reserve", "16mb", "--memory-budget", "32mb"]


def check_same_state(faults, cluster):
    """No client works any more: each node in turn leads, and says what it has."""
    found = {}
    for node in cluster.nodes:
        faults.catch_up(node)
    for node in cluster.nodes:
        faults.lead(node, True)
        found[node.name] = node.connect().command("RAFT", "HASH")[HASH]
    check(len(set(found.values())) == 1, f"the nodes differ at the end: {found}")


def run_faults(options, directory, wires, names, seconds):
    """All of these faults in turn, once at least and until the time is over, on one group."""
    os.makedirs(directory)
    rng = random.Random(f"{options.seed}/{names}")
    cluster = Cluster(options.server, directory, NODES, extra=OPTIONS + options.option, wires=wires,
                      authority=Authority(directory) if options.tls else None)
    hold_seconds = (1.0, 8.0) if options.full or options.fault else (0.3, 1.0)
    faults = Faults(cluster, wires, None, rng, hold_seconds, RETAIN_BYTES)
    if any(name.startswith("full_disk") for name in names):
        faults.small_disk(cluster.nodes[0], DISK_MIB)
    if any(name.startswith("hang_disk") for name in names):
        try:
            faults.disk_that_may_hang(cluster.nodes[1], HANGING_DISK_MIB)
        except NoLoopMounts as reason:
            if options.full or options.fault:
                raise
            print(f"  NOT DONE on this machine: hang_disk_leader, hang_disk_follower: {reason}", flush=True)
            names = [name for name in names if not name.startswith("hang_disk")]
    with cluster:
        cluster.leader()
        faults.load = load = Load(CLIENTS, cluster, options.seed)
        deadline = time.monotonic() + seconds
        while not faults.counts or time.monotonic() < deadline:
            for name in names:
                if name not in faults.counts or time.monotonic() < deadline:
                    time.sleep(rng.uniform(0.2, 1.0))  # in which the group works undisturbed
                    faults.strike(name)
        faults.goes_on(time.monotonic(), "at the end")
        load.finish()
        words = load.judge(cluster.leader().connect())
        if LEASE in options.option:
            check(sum(raft_info(node)["lease-reads"] for node in cluster.nodes) > 0, "no read was answered by a lease: this run says nothing of leases")
        check_same_state(faults, cluster)
        for node in cluster.nodes:
            check(node.terminate() == 0, f"SIGTERM: exit status {node.exit_status}\n{node.log_tail()}")
    faults.unmount()
    gaps = sorted(faults.gaps)
    print(f"  {words}; faults {faults.counts}"
          + (f"; gaps: median {gaps[len(gaps) // 2]:.2f} s, worst {gaps[-1]:.2f} s" if gaps else ""), flush=True)


def run(options, directory):
    linearizable.self_test()
    wires = wire.Wires(HOSTS)
    names = options.fault or NAMES
    if options.full or options.fault:
        for number, name in enumerate(names):
            print(f"{name}:", flush=True)
            run_faults(options, os.path.join(directory, f"{number}-{name}"), wires, [name], options.seconds)
    if not options.fault:
        run_faults(options, os.path.join(directory, "all"), wires, names, options.seconds)


def arguments():
    parser = suite.parser(__doc__)
    parser.add_argument("--seconds", type=float, default=None, help="of each fault, 300; of all in the short form: one round")
    parser.add_argument("--fault", action="append", choices=NAMES, help="only this one, by itself; may be repeated")
    parser.add_argument("--option", action="append", default=[], help="a further option of the nodes: --option=--name=value")
    parser.add_argument("--tls", action="store_true", help="the nodes speak with one another under TLS")
    options = parser.parse_args()
    options.seconds = options.seconds or (300.0 if options.full or options.fault else 0.0)
    return options


if __name__ == "__main__":
    chosen = arguments()
    wire.enter_namespace()
    suite.main(run, chosen)
