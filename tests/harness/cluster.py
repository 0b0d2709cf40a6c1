"""harness/cluster: several real nodes of one group, and how to find who leads.

On loopback the ports are free ones that the system picked, and stay a node's for all its lives, since
the other nodes know them. With `wires` (harness.wire) each node is a host of its own. With an
`authority` (harness.certificates) they speak with one another under TLS.
"""

import os
import time

from . import resp
from .server import Server, free_ports
from .suite import Failure, poll

OWN_HOST_PORTS = (6379, 7379, 8379)  # nobody else is in a host's namespace


def pairs_of(reply):
    """A map of RESP2, whose names are words."""
    return {reply[i].decode(): reply[i + 1] for i in range(0, len(reply), 2)}


def raft_info(node, timeout=30):
    connection = node.connect(timeout=timeout)
    try:
        return pairs_of(connection.command("RAFT", "INFO"))
    finally:
        connection.close()


def answer(node, *words, timeout=15.0):
    """One command on a connection of its own; an error reply as its text."""
    connection = node.connect(timeout=timeout)
    try:
        connection.send(words)
        reply = connection.reply()
    finally:
        connection.close()
    return str(reply) if isinstance(reply, resp.ReplyError) else reply


class Cluster:
    def __init__(self, program, directory, count=3, extra=(), wires=None, authority=None):
        self.program, self.directory, self.extra = program, directory, list(extra)
        self.authority = authority
        self.next_number = count + 1
        names = [f"n{i + 1}" for i in range(count)]
        if wires:
            by_node = [OWN_HOST_PORTS] * count
            places = wires.hosts[:count]
        else:
            ports = free_ports(3 * count)
            by_node = [ports[3 * i:3 * i + 3] for i in range(count)]
            places = [None] * count
        hosts = [place.raft_address if place else "127.0.0.1" for place in places]
        members = ",".join(f"{name}={host}:{own[1]}" for name, host, own in zip(names, hosts, by_node))
        self.nodes = []
        for name, own, place in zip(names, by_node, places):
            self.nodes.append(self.make(name, tuple(own), place, ["--cluster", members]))

    def make(self, name, ports, place, options):
        logs = os.path.join(self.directory, f"{name}-logs")
        os.makedirs(logs, exist_ok=True)
        tls = self.authority.options(name, place.raft_address if place else "127.0.0.1") if self.authority else []
        node = Server(self.program, os.path.join(self.directory, name), ports=ports, place=place, log_directory=logs,
                      extra=["--id", name, *options, *self.extra, *tls])
        node.name = name
        return node

    @staticmethod
    def raft_address(node):
        return f"{node.place.raft_address if node.place else node.host}:{node.ports[1]}"

    def add(self, place=None):
        """A member with a new id and an empty directory, added and started; it learns and then votes."""
        name, self.next_number = f"n{self.next_number}", self.next_number + 1
        ports = OWN_HOST_PORTS if place else tuple(free_ports(3))
        node = self.make(name, ports, place, ["--join", self.raft_address(self.leader())])
        self.change(("RAFT", "ADD", name, self.raft_address(node)), lambda: self.part_of(name) is not None)
        node.start()
        self.nodes.append(node)
        return node

    def remove(self, node):
        """For ever; it may lead. The process goes on until it is killed."""
        self.change(("RAFT", "REMOVE", node.name), lambda: self.part_of(node.name) is None)
        self.nodes.remove(node)

    def change(self, words, is_done, seconds=30.0):
        """Asks whoever leads, until it is so: the leader may go, or raft be busy with the change before."""
        last = None

        def asked():
            nonlocal last
            if is_done():
                return True
            last = self.ask_leader(*words)
            return False
        try:
            poll(asked, " ".join(words), seconds, 0.1)
        except Failure as failure:
            raise Failure(f"{failure}; the last answer: {last!r}") from None

    def ask_leader(self, *words):
        """An error reply as a value, and None where the connection was lost."""
        connection = self.leader().connect(timeout=20)
        try:
            connection.send(words)
            return connection.reply()
        except resp.Disconnected:
            return None
        finally:
            connection.close()

    def part_of(self, name):
        """Of a member, as the leader has it: voter, learner, …; None: it is none."""
        members = poll(lambda: self.ask_leader("RAFT", "MEMBERS"), "RAFT MEMBERS", 20, 0.1)
        return next((one["part"].decode() for one in map(pairs_of, members) if one["name"] == name.encode()), None)

    @property
    def by_port(self):
        return {node.ports[0]: node for node in self.nodes}

    def start(self):
        for node in self.nodes:
            node.start()
        return self

    def kill(self):
        for node in self.nodes:
            node.kill()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.kill()

    def leader(self, seconds=15.0, but=None):
        """The node that takes writes now; `but` names one that is known not to."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for node in self.nodes:
                if node is not but and node.alive() and self.leads(node):
                    return node
            time.sleep(0.05)  # between two questions: nothing else would tell
        raise Failure(f"no node leads within {seconds} s")

    def followers(self):
        leader = self.leader()
        return [node for node in self.nodes if node is not leader]

    @staticmethod
    def leads(node):
        try:
            connection = node.connect(timeout=1.0)
            try:
                if connection.command("ROLE")[0] != b"master":
                    return False
                connection.send(("GET", "no-such-key"))
                return connection.reply() is None
            finally:
                connection.close()
        except resp.Disconnected:
            return False
