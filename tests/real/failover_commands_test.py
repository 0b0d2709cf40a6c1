#!/usr/bin/python3
"""failover_commands_test: leadership is handed over in Redis's words, while clients count.

    failover_commands_test.py       there is one form

CLUSTER FAILOVER at a follower, and FAILOVER at the leader, in all their forms: who leads then. To a node
that stands still: how long it is waited for, how that is called off, and how it is shown. What is refused,
word for word. All the while clients increment and read, and are judged as tests/real/cluster_load.py says:
no increment is lost, none is done twice.
"""

import os
import signal
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cluster_load import Load  # noqa: E402
from harness import linearizable, suite  # noqa: E402
from harness.cluster import Cluster, answer, pairs_of, raft_info  # noqa: E402
from harness.suite import check, check_equal, poll  # noqa: E402

CLIENTS = 4
SOON_SECONDS = 10.0
PATIENCE_MS = 400  # with a target that stands still
NONE, WAITING, UNDER_WAY = "no-failover", "waiting-for-sync", "failover-in-progress"
SYNTAX = "ERR syntax error"
NOT_AN_INTEGER = "ERR value is not an integer or out of range"
NO_TARGET = "ERR FAILOVER target HOST and PORT is not a replica."
BUSY = "ERR FAILOVER already in progress."
NOTHING = "ERR No failover in progress."
FORCE_NEEDS = "ERR FAILOVER with force option requires both a timeout and target HOST and IP."
ROUNDS = 5  # to see what lasts for an election timeout, on a machine that others use


def state_of(node):
    lines = answer(node, "INFO", "replication").decode().split("\r\n")
    return next(line.partition(":")[2] for line in lines if line.startswith("master_failover_state:"))


def settled(cluster):
    """Who leads, once all members follow it and nothing is under way."""
    def is_so():
        leader = cluster.leader()
        info = raft_info(leader)
        follows = all(peer["state"] == b"replicate" and peer["connected"] for peer in map(pairs_of, info["peers"]))
        known = all(raft_info(node)["leader"] == info["id"] for node in cluster.nodes)
        return leader if follows and known and state_of(leader) == NONE else None
    return poll(is_so, "all members follow one leader", 30, 0.02)


def place_of(node):
    return node.host, str(node.port)


def check_table(node, rows):
    for words, expected in rows:
        check_equal(answer(node, *words), expected, f"{' '.join(words)} on {node.name}")


# --- what is refused ---

def refused_by_leader(leader):
    host, port = place_of(leader)
    return [
        (("CLUSTER", "FAILOVER"), "ERR You should send CLUSTER FAILOVER to a replica"),
        (("CLUSTER", "FAILOVER", "FORCE"), "ERR You should send CLUSTER FAILOVER to a replica"),
        (("CLUSTER", "FAILOVER", "TAKEOVER"), "ERR You should send CLUSTER FAILOVER to a replica"),
        (("CLUSTER", "FAILOVER", "NOW"), SYNTAX),
        (("CLUSTER", "FAILOVER", "FORCE", "TAKEOVER"),
         "ERR unknown subcommand or wrong number of arguments for 'FAILOVER'. Try CLUSTER HELP."),
        (("FAILOVER", "ABORT"), NOTHING),
        (("FAILOVER", "ABORT", "ABORT"), SYNTAX),
        (("FAILOVER", "NOW"), SYNTAX),
        (("FAILOVER", "TO"), SYNTAX),
        (("FAILOVER", "TO", host), SYNTAX),
        (("FAILOVER", "TO", host, "port"), NOT_AN_INTEGER),
        (("FAILOVER", "TO", host, port, "TO", host, port), SYNTAX),
        (("FAILOVER", "TO", host, port), NO_TARGET),  # it leads
        (("FAILOVER", "TO", host, str(leader.raft_port)), NO_TARGET),
        (("FAILOVER", "TO", host, "1"), NO_TARGET),
        (("FAILOVER", "TO", host, "-1"), NO_TARGET),
        (("FAILOVER", "TO", host, str(2 ** 32 + leader.port)), NO_TARGET),
        (("FAILOVER", "TO", "no-such-host", port), NO_TARGET),
        (("FAILOVER", "TIMEOUT"), SYNTAX),
        (("FAILOVER", "TIMEOUT", "soon"), NOT_AN_INTEGER),
        (("FAILOVER", "TIMEOUT", "0"), "ERR FAILOVER timeout must be greater than 0"),
        (("FAILOVER", "TIMEOUT", "-5"), "ERR FAILOVER timeout must be greater than 0"),
        (("FAILOVER", "TIMEOUT", "5", "TIMEOUT", "5"), SYNTAX),
        (("FAILOVER", "FORCE"), FORCE_NEEDS),
        (("FAILOVER", "FORCE", "FORCE"), SYNTAX),
        (("FAILOVER", "TIMEOUT", "5", "FORCE"), FORCE_NEEDS),
        (("FAILOVER", "TO", host, "1", "FORCE"), FORCE_NEEDS),
        (("FAILOVER", "TO", host, "1", "FORCE", "TIMEOUT", "5"), NO_TARGET),
    ]


def refused_by_follower(leader):
    host, port = place_of(leader)
    return [
        (("FAILOVER",), "ERR FAILOVER is not valid when server is a replica."),
        (("FAILOVER", "TO", host, port), "ERR FAILOVER is not valid when server is a replica."),
        (("FAILOVER", "TO", host), SYNTAX),
        (("FAILOVER", "ABORT"), NOTHING),
        (("CLUSTER", "FAILOVER", "NOW"), SYNTAX),
    ]


def check_refusals(cluster):
    leader = settled(cluster)
    term = raft_info(leader)["term"]
    check_table(leader, refused_by_leader(leader))
    for node in cluster.nodes:
        if node is not leader:
            check_table(node, refused_by_follower(leader))
    check_equal(raft_info(settled(cluster))["term"], term, "the term after what was refused")


# --- what is done ---

def comes_to_lead(cluster, at, words, targets):
    """Told "OK" at once, as by Redis; then one of the targets leads, and whoever did follows it."""
    check_equal(answer(at, *words), "OK", " ".join(words))
    poll(lambda: any(Cluster.leads(node) for node in targets), f"{' '.join(words)}: {[node.name for node in targets]} leads", SOON_SECONDS)
    leader = settled(cluster)
    check(leader in targets, f"{' '.join(words)}: {leader.name} leads")
    return leader


def hand_over(cluster, load):
    """Each form, to one of the followers in turn."""
    asked = [("CLUSTER", "FAILOVER"), ("CLUSTER", "FAILOVER", "FORCE"), ("CLUSTER", "FAILOVER", "TAKEOVER"), ("cluster", "failover", "takeover")]
    for number, words in enumerate(asked):
        leader = settled(cluster)
        target = [node for node in cluster.nodes if node is not leader][number % 2]
        comes_to_lead(cluster, target, words, [target])
    for words in (("FAILOVER",), ("FAILOVER", "TIMEOUT", "5000")):
        leader = settled(cluster)
        comes_to_lead(cluster, leader, words, [node for node in cluster.nodes if node is not leader])
    further = [(), ("TIMEOUT", "5000"), ("FORCE", "TIMEOUT", "5000"), ("timeout", "5000", "force")]
    for number, words in enumerate(further):
        leader = settled(cluster)
        target = [node for node in cluster.nodes if node is not leader][number % 2]
        comes_to_lead(cluster, leader, ("FAILOVER", "TO", *place_of(target), *words), [target])
    load.check_alive()


# --- to a node that stands still ---

class Stopped:
    """While the block lasts it lacks what the leader has committed."""

    def __init__(self, cluster, node):
        self.cluster, self.node = cluster, node

    def all_threads_stand(self):
        tasks = f"/proc/{self.node.pid}/task"
        for task in os.listdir(tasks):
            with open(os.path.join(tasks, task, "stat"), encoding="utf-8") as file:
                if file.read().rpartition(")")[2].split()[0] != "T":
                    return False
        return True

    def __enter__(self):
        os.kill(self.node.pid, signal.SIGSTOP)
        poll(self.all_threads_stand, f"{self.node.name} stands still", SOON_SECONDS)
        check(isinstance(answer(self.cluster.leader(but=self.node), "INCR", "while-stopped"), int), "INCR while a follower stands still")
        return self.node

    def __exit__(self, *_):
        os.kill(self.node.pid, signal.SIGCONT)


def state_becomes(node, state):
    poll(lambda: state_of(node) == state, f"master_failover_state:{state} on {node.name}", SOON_SECONDS)


def check_leads_on(leader, term):
    """Nobody led in between."""
    check(Cluster.leads(leader), f"{leader.name} leads no more")
    check_equal(raft_info(leader)["term"], term, f"the term of {leader.name}, which has led on")
    check(isinstance(answer(leader, "INCR", "while-stopped"), int), "INCR after a failover that came to nothing")


def wait_in_vain(leader, target, other, term):
    """Without a time it waits as long as it takes. Clients notice nothing, and nothing else may begin."""
    check_equal(answer(leader, "FAILOVER", "TO", *place_of(target)), "OK", "FAILOVER to a node that stands still")
    state_becomes(leader, WAITING)
    check_table(leader, [
        (("FAILOVER",), BUSY),
        (("FAILOVER", "TO", *place_of(other)), BUSY),
        (("FAILOVER", "TIMEOUT", "5"), BUSY),
        (("FAILOVER", "ABORT", "NOW"), SYNTAX),
        (("RAFT", "TRANSFER", other.name), "ERR leadership was not handed over: leadership is being handed over already"),
    ])
    check(isinstance(answer(leader, "INCR", "while-stopped"), int), "INCR while the target is waited for")
    check_equal(state_of(leader), WAITING, "master_failover_state, meanwhile")
    check_equal(answer(leader, "FAILOVER", "ABORT"), "OK", "FAILOVER ABORT")
    state_becomes(leader, NONE)
    check_table(leader, [(("FAILOVER", "ABORT"), NOTHING)])
    check_leads_on(leader, term)
    # With a time it gives up by itself.
    check_equal(answer(leader, "FAILOVER", "TO", *place_of(target), "TIMEOUT", str(PATIENCE_MS)), "OK", "FAILOVER with a time")
    state_becomes(leader, WAITING)
    state_becomes(leader, NONE)
    check_leads_on(leader, term)


def force_in_vain(leader, target, term):
    """It is tried though the target is not ready, fails within an election timeout, and cannot be called off."""
    words = ("FAILOVER", "TO", *place_of(target), "FORCE", "TIMEOUT", "1")
    for _ in range(ROUNDS):
        check_equal(answer(leader, *words), "OK", " ".join(words))
        state_becomes(leader, UNDER_WAY)
        said = answer(leader, "FAILOVER", "ABORT")
        is_seen = state_of(leader) == UNDER_WAY
        check(not is_seen or said == "ERR The failover cannot be aborted any more.", f"FAILOVER ABORT of an election: {said!r}")
        state_becomes(leader, NONE)
        check_leads_on(leader, term)
        if is_seen:
            return
    check(False, f"FAILOVER ABORT did not meet an election in {ROUNDS} rounds")


def stand_still(cluster, load):
    leader = settled(cluster)
    term = raft_info(leader)["term"]
    target, other = [node for node in cluster.nodes if node is not leader]
    with Stopped(cluster, target):
        wait_in_vain(leader, target, other, term)
        force_in_vain(leader, target, term)
    leader = settled(cluster)
    # What waits for one that stands still goes on when it does.
    with Stopped(cluster, target):
        check_equal(answer(leader, "FAILOVER", "TO", *place_of(target)), "OK", "FAILOVER to a node that stands still")
        state_becomes(leader, WAITING)
    poll(lambda: Cluster.leads(target), f"{target.name} leads once it goes on", SOON_SECONDS)
    # Another one may ask meanwhile: the order gives way, and it leads with the votes of two.
    leader = settled(cluster)
    target, other = [node for node in cluster.nodes if node is not leader]
    with Stopped(cluster, target):
        check_equal(answer(leader, "FAILOVER", "TO", *place_of(target)), "OK", "FAILOVER to a node that stands still")
        state_becomes(leader, WAITING)
        check_equal(answer(other, "CLUSTER", "FAILOVER"), "OK", f"CLUSTER FAILOVER on {other.name}")
        poll(lambda: Cluster.leads(other), f"{other.name} leads, while {target.name} stands still", SOON_SECONDS)
    settled(cluster)
    load.check_alive()


def lead_nobody(cluster):
    """One of three is left: it says that it knows no leader, and FORCE does not make it one."""
    leader = settled(cluster)
    left, other = [node for node in cluster.nodes if node is not leader]
    other.kill()
    leader.kill()
    down = "ERR Master is down or failed, please use CLUSTER FAILOVER FORCE"
    poll(lambda: answer(left, "CLUSTER", "FAILOVER") == down, f"CLUSTER FAILOVER while nobody leads says: {down}", SOON_SECONDS)
    check_table(left, [(("CLUSTER", "FAILOVER", "FORCE"), "OK"), (("CLUSTER", "FAILOVER", "TAKEOVER"), "OK"),
                       (("FAILOVER",), "ERR FAILOVER is not valid when server is a replica.")])
    check(not Cluster.leads(left), "one of three leads")
    leader.start()
    other.start()
    settled(cluster)


def run(options, directory):
    linearizable.self_test()
    with Cluster(options.server, directory) as cluster:
        settled(cluster)
        load = Load(CLIENTS, cluster, options.seed)
        check_refusals(cluster)
        hand_over(cluster, load)
        stand_still(cluster, load)
        lead_nobody(cluster)
        load.finish()
        connection = settled(cluster).connect()
        print(f"  {load.judge(connection)}", flush=True)
        connection.close()
        for node in cluster.nodes:
            check_equal(node.terminate(), 0, f"SIGTERM: exit status of {node.name}")


if __name__ == "__main__":
    suite.main(run, suite.parser(__doc__).parse_args())
