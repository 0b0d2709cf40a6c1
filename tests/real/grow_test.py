#!/usr/bin/python3
"""grow_test: a single node grows to three by hand, loses the first of them, and goes on.

    grow_test.py                    there is one form

A node of its own takes in n2 and n3, each with LEARNER: they copy, answer reads after READONLY and do not
vote, until RAFT PROMOTE. Then kill -9 of the first: the others take writes, and hold all that was written.
On the way, what RAFT ADD, PROMOTE, REMOVE and TRANSFER say to what they cannot do, word for word, and that
nothing has changed then.
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness import suite  # noqa: E402
from harness.cluster import Cluster, answer, pairs_of, raft_info  # noqa: E402
from harness.server import free_ports  # noqa: E402
from harness.suite import check, check_equal, poll  # noqa: E402

KEYS = 500
SOON_SECONDS = 15.0
NAME_BYTES_MAX = 64
NUMBER_OF_N9 = 16164433301713947254  # the hash of the name, as on every node
SYNTAX = "ERR syntax error, expected RAFT ADD id host:port [LEARNER]"
NOT_CHANGED = "ERR the membership was not changed: "
NOT_HANDED_OVER = "ERR leadership was not handed over: "


def value_of(number):
    return b"value-%d" % number * 20


def arity_of(command):
    return f"ERR wrong number of arguments for 'raft|{command}' command"


def unknown(name):
    return f"ERR no member is called '{name}'. Try RAFT MEMBERS."


def bad_name(name):
    return f"ERR the new member's id: found \"{name}\", expected 1 to {NAME_BYTES_MAX} letters, digits, '-', '_' or '.'"


def bad_address(text):
    return f"ERR '{text}' is not where other nodes can reach one, expected its --raft-addr as HOST:PORT"


def refused(number, name, why):
    """What raft says to a change; it names the node by its id and name."""
    return f"{NOT_CHANGED}change the membership for node {number:016x} (\"{name}\"): {why}"


class Group:
    """The nodes, the first of which founded a group of one, and what the leader says of them."""

    def __init__(self, program, directory):
        self.cluster = Cluster(program, directory, count=0)  # none of them founds it with others
        self.first = self.make("n1", [])
        self.numbers = {}  # by name: as raft counts them, also of those that were removed

    def make(self, name, options):
        node = self.cluster.make(name, tuple(free_ports(3)), None, options)
        self.cluster.nodes.append(node)
        return node

    def make_joiner(self, name):
        return self.make(name, ["--join", Cluster.raft_address(self.first)])

    def members(self, node=None):
        members = [pairs_of(one) for one in answer(node or self.first, "RAFT", "MEMBERS")]
        self.numbers |= {one["name"].decode(): int(one["id"], 16) for one in members}
        return members

    def part_of(self, name):
        return next((one["part"].decode() for one in self.members() if one["name"] == name.encode()), None)

    def add(self, name, address, *learner):
        check_equal(answer(self.first, "RAFT", "ADD", name, address, *learner), "OK", f"RAFT ADD {name}")
        check_equal(self.part_of(name), "learner", f"the part of {name} once it is added")

    def catch_up(self, node):
        commit = raft_info(self.first)["commit"]
        poll(lambda: raft_info(node)["applied"] >= commit, f"{node.name} catches up", SOON_SECONDS)

    def promote(self, node):
        """As often as it is not known yet that it has caught up."""
        def is_done():
            said = answer(self.first, "RAFT", "PROMOTE", node.name)
            check(said == "OK" or is_not_yet(said, self.numbers[node.name]), f"RAFT PROMOTE {node.name}: {said!r}")
            return said == "OK"
        poll(is_done, f"RAFT PROMOTE {node.name}", SOON_SECONDS, 0.02)
        check_equal(self.part_of(node.name), "voter", f"the part of {node.name} once it is promoted")


def is_not_yet(said, number):
    words = f"{NOT_CHANGED}promote node {number:016x}: it "
    return said.startswith((words + "is ", words + "has not said yet which data directory it has"))


def check_table(group, node, rows):
    before = group.members(node)
    for words, expected in rows:
        check_equal(answer(node, "RAFT", *words), expected, "RAFT " + " ".join(words))
    places = [{key: one[key] for key in ("id", "name", "address", "part", "role")} for one in before]
    after = [{key: one[key] for key in places[0]} for one in group.members(node)]
    check_equal(after, places, "the members after commands that were refused")


# --- what is refused ---

def of_words():
    """Whoever is a member: what makes no sense."""
    long_name = "n" * (NAME_BYTES_MAX + 1)
    where = "127.0.0.1:1"
    return [
        (("NONSENSE",), "ERR unknown subcommand 'NONSENSE'. Try RAFT HELP."),
        (("ADD",), arity_of("add")),
        (("ADD", "n9"), arity_of("add")),
        (("ADD", "n9", where, "VOTER"), SYNTAX),
        (("ADD", "n9", where, "LEARNER", "LEARNER"), SYNTAX),
        *[(("ADD", name, where), bad_name(name)) for name in ("", "n 9", "n/9", "n:9", long_name)],
        *[(("ADD", "n9", text), bad_address(text))
          for text in ("", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:x",
                       ":7379", "::1:7379", "[::1:7379", "0.0.0.0:7379", "[::]:7379", "*:7379")],
        (("PROMOTE",), arity_of("promote")),
        (("PROMOTE", "n2", "n3"), arity_of("promote")),
        (("PROMOTE", "n9"), unknown("n9")),
        (("PROMOTE", ""), unknown("")),
        (("REMOVE",), arity_of("remove")),
        (("REMOVE", "n2", "n3"), arity_of("remove")),
        (("REMOVE", "n9"), unknown("n9")),
        (("TRANSFER", "n2", "n3"), arity_of("transfer")),
        (("TRANSFER", "n9"), unknown("n9")),
    ]


def of_one(group):
    number = group.numbers["n1"]
    return [
        (("ADD", "n1", "127.0.0.1:1"), refused(number, "n1", "it is a member already")),
        (("PROMOTE", "n1"), refused(number, "n1", "it votes already")),
        (("REMOVE", "n1"), refused(number, "n1", "nobody else votes")),
        (("TRANSFER",), NOT_HANDED_OVER + "no other voter is connected"),
        (("TRANSFER", "n1"), "OK"),  # it leads already
    ]


def of_three(group, address):
    """With n4, which learns and is not there."""
    numbers = group.numbers
    twice = "check a configuration of 3 voters, 0 outgoing, 2 learners: an address is there twice"
    return [
        (("ADD", "n9", Cluster.raft_address(group.first)), refused(NUMBER_OF_N9, "n9", twice)),
        *[(("ADD", name, address), refused(numbers[name], name, "it is a member already")) for name in ("n1", "n2", "n3", "n4")],
        *[(("ADD", name, address, "LEARNER"), refused(numbers[name], name, "it is a member already")) for name in ("n3", "n4")],
        *[(("PROMOTE", name), refused(numbers[name], name, "it votes already")) for name in ("n1", "n2", "n3")],
        (("PROMOTE", f"{numbers['n2']:016x}"), refused(numbers["n2"], "n2", "it votes already")),
        (("PROMOTE", "n4"), f"{NOT_CHANGED}promote node {numbers['n4']:016x}: it has not said yet which data directory it has"),
        (("TRANSFER", "n4"), f"{NOT_HANDED_OVER}node {numbers['n4']:016x} is no voter"),
    ]


def of_removed(group, name, address):
    never = refused(group.numbers[name], name, "it was removed, and an id never comes back: use another")
    return [
        (("ADD", name, address), never),
        (("ADD", name, address, "LEARNER"), never),
        (("PROMOTE", name), unknown(name)),
        (("REMOVE", name), unknown(name)),
        (("TRANSFER", name), unknown(name)),
    ]


def of_follower(leader):
    """It knows only how many words there are; whatever else is the leader's to say."""
    moved = f"MOVED 0 {leader.host}:{leader.port}"
    return [
        (("ADD", "n9"), arity_of("add")),
        (("PROMOTE",), arity_of("promote")),
        (("REMOVE",), arity_of("remove")),
        (("ADD", "n9", "127.0.0.1:1"), moved),
        (("ADD", "n9", "nowhere"), moved),
        (("PROMOTE", "n2"), moved),
        (("PROMOTE", "n9"), moved),
        (("REMOVE", "n9"), moved),
        (("REMOVE", "n2"), moved),
        (("TRANSFER",), moved),
        (("TRANSFER", "n9"), moved),
    ]


# --- the way ---

def fill(node):
    connection = node.connect()
    replies = connection.pipeline([("SET", f"key:{number}", value_of(number)) for number in range(KEYS)])
    check_equal(set(replies), {"OK"}, "SET of the data")
    connection.close()


def check_data(node, *before):
    connection = node.connect(timeout=SOON_SECONDS)
    for words in before:
        connection.command(*words)
    found = connection.pipeline([("GET", f"key:{number}") for number in range(KEYS)])
    check_equal(found, [value_of(number) for number in range(KEYS)], f"the data on {node.name}")
    connection.close()


def take_in_second(group):
    """Added before it is there. Promoted it would be half of the voters: that waits for its answers."""
    node = group.make_joiner("n2")
    group.add("n2", Cluster.raft_address(node), "LEARNER")
    too_few = (f"{NOT_CHANGED}of the 2 nodes that would vote then 1 answer, and 2 are needed: "
               "bring the others back, or remove those that are dead first")

    def is_refused():
        said = answer(group.first, "RAFT", "PROMOTE", "n2")
        check(said == too_few or is_not_yet(said, group.numbers["n2"]), f"RAFT PROMOTE of a node that is not there: {said!r}")
        return said == too_few
    poll(is_refused, "RAFT PROMOTE n2 is refused for want of answers", SOON_SECONDS, 0.05)
    node.start()
    return node


def take_in_third(group):
    """It asks before it is added, and is told what it lacks."""
    node = group.make_joiner("n3")
    node.spawn()
    said = "node n3 is no member of this cluster; RAFT ADD n3 HOST:PORT makes it one"
    poll(lambda: said in node.log_tail(), f"n3 says \"{said}\"", SOON_SECONDS)
    group.add("n3", Cluster.raft_address(node), "learner")
    check(node.ready.wait(SOON_SECONDS), f"n3 was added and is not ready\n{node.log_tail()}")
    return node


def check_learner(group, node):
    group.catch_up(node)
    check_equal(group.part_of(node.name), "learner", f"the part of {node.name}, which has caught up")
    check_equal(raft_info(node)["role"], b"follower", f"the role of {node.name}")
    said = answer(node, "SET", "key", "value")
    check_equal(said.split()[0::2], ["MOVED", f"{group.first.host}:{group.first.port}"], f"SET on the learner {node.name}")
    check_data(node, ("READONLY",))


def lose_first(group):
    """Back again it follows, though its command line is that of a node of its own."""
    first = group.first
    first.kill()
    leader = group.cluster.leader(SOON_SECONDS, but=first)
    check_equal(answer(leader, "INCR", "writes"), 2, f"INCR on {leader.name}, which leads now")
    check_equal(answer(leader, "SET", "after", "the first was lost"), "OK", f"SET on {leader.name}")
    check_data(leader)
    first.start()
    commit = raft_info(leader)["commit"]
    poll(lambda: raft_info(first)["applied"] >= commit, "n1 catches up", SOON_SECONDS)
    check_equal(answer(leader, "RAFT", "TRANSFER", "n1"), "OK", "RAFT TRANSFER n1")
    check_equal(answer(first, "GET", "after"), b"the first was lost", "what was written while n1 was away")
    check_data(first)


def run(options, directory):
    group = Group(options.server, directory)
    with group.cluster:
        fill(group.first)
        check_equal([one["part"] for one in group.members()], [b"voter"], "the members of a group of one")
        check_table(group, group.first, of_words() + of_one(group))

        second = take_in_second(group)
        third = take_in_third(group)
        for node in (second, third):
            check_learner(group, node)
        # They have had the time that one without LEARNER takes to vote, and have none.
        for node in (second, third):
            check_equal(group.part_of(node.name), "learner", f"the part of {node.name}")
            group.promote(node)
        check_equal(answer(group.first, "INCR", "writes"), 1, "INCR with three voters")

        fourth = f"127.0.0.1:{free_ports(1)[0]}"
        group.add("n4", fourth)
        check_table(group, group.first, of_words() + of_three(group, fourth))
        check_equal(answer(group.first, "RAFT", "REMOVE", "n4"), "OK", "RAFT REMOVE n4")
        check_equal(group.part_of("n4"), None, "the part of n4, which was removed")
        check_table(group, group.first, of_removed(group, "n4", fourth))
        group.catch_up(second)
        check_table(group, second, of_follower(group.first))

        lose_first(group)
        for node in group.cluster.nodes:
            check_equal(node.terminate(), 0, f"SIGTERM: exit status of {node.name}")


if __name__ == "__main__":
    suite.main(run, suite.parser(__doc__).parse_args())
