"""harness/cluster: several real nodes of one group on loopback, and how to find who leads.

The ports are free ones that the system picked, and stay a node's for all its lives, since the other
nodes know them.
"""

import os
import time

from . import resp
from .server import Server, free_ports
from .suite import Failure


class Cluster:
    def __init__(self, program, directory, count=3, extra=()):
        ports = free_ports(3 * count)
        names = [f"n{i + 1}" for i in range(count)]
        by_node = [ports[3 * i:3 * i + 3] for i in range(count)]
        members = ",".join(f"{name}=127.0.0.1:{raft}" for name, (_, raft, _) in zip(names, by_node))
        self.nodes = [Server(program, os.path.join(directory, name), ports=tuple(own),
                             extra=["--id", name, "--cluster", members, *extra])
                      for name, own in zip(names, by_node)]
        self.by_port = {own[0]: node for node, own in zip(self.nodes, by_node)}

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
