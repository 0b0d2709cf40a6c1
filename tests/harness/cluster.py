"""harness/cluster: several real nodes of one group, and how to find who leads.

On loopback the ports are free ones that the system picked, and stay a node's for all its lives, since
the other nodes know them. With `wires` (harness.wire) each node is a host of its own.
"""

import os
import time

from . import resp
from .server import Server, free_ports
from .suite import Failure

OWN_HOST_PORTS = (6379, 7379, 8379)  # nobody else is in a host's namespace


class Cluster:
    def __init__(self, program, directory, count=3, extra=(), wires=None):
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
            logs = os.path.join(directory, f"{name}-logs")
            os.makedirs(logs, exist_ok=True)
            node = Server(program, os.path.join(directory, name), ports=tuple(own), place=place, log_directory=logs,
                          extra=["--id", name, "--cluster", members, *extra])
            node.name = name
            self.nodes.append(node)

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
