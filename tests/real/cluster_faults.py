"""cluster_faults: what is done to a group of nodes while clients work on it, by name.

A fault begins, holds for a while and ends. Where a majority of the nodes is left that reach each
other, the group must take writes again while the fault holds: each says from when. Whether what is
answered meanwhile is true is judged by cluster_load.
"""

import os
import shutil
import signal
import time

from cluster_load import ANSWER_SECONDS
from full_disk_test import Disk
from harness.cluster import raft_info
from harness.loop_disk import LoopDisk
from harness.resp import Disconnected
from harness.suite import Failure, check, poll

GAP_SECONDS_MAX = 5.0  # without an acknowledged write; on a machine that others use, too
HANGING_DISK_SECONDS_MAX = 3.0  # from a disk that hangs to another leader
SLOW_MS, SLOW_LOSS = 200, 0.02  # each way
FILLER_BYTES = 64 << 10
CATCH_UP_SECONDS = 60.0


class Faults:
    """`hold_seconds`: (min, max) that a fault lasts."""

    def __init__(self, cluster, wires, load, rng, hold_seconds, retain_bytes):
        self.cluster = cluster
        self.wires = wires
        self.load = load
        self.rng = rng
        self.hold_seconds = hold_seconds
        self.retain_bytes = retain_bytes
        self.counts = {}
        self.gaps = []  # seconds from a fault of the leader to the next acknowledged write
        self.disk = self.disk_node = None  # the one node with a small disk, where there is one
        self.hanging_disk = self.hanging_node = None  # the one whose disk may hang, where there is one

    def strike(self, name):
        self.counts[name] = self.counts.get(name, 0) + 1
        getattr(self, name)()
        self.load.check_alive()

    def hold(self):
        time.sleep(self.rng.uniform(*self.hold_seconds))  # how long the fault lasts

    def goes_on(self, since, what, seconds=GAP_SECONDS_MAX):
        """A write is acknowledged that was not on its way when the fault began."""
        def after():
            return self.load.answers_after(since + 0.02)
        try:
            first = poll(after, what, seconds, 0.01)[0]
        except Failure:
            raise Failure(f"{what}: for {seconds} s no write was acknowledged\n{self.words()}") from None
        return first - since

    def others_go_on(self, lost, what, began=None, seconds=GAP_SECONDS_MAX):
        """Another leads soon where the leader is lost; its clients first wait for it in vain."""
        began = began or time.monotonic()
        try:
            self.cluster.leader(began + seconds - time.monotonic(), but=lost)
        except Failure as failure:
            raise Failure(f"{what}: {failure}\n{self.words()}") from None
        if lost is not None:
            self.gaps.append(time.monotonic() - began)
        self.goes_on(began, what, ANSWER_SECONDS + GAP_SECONDS_MAX)
        self.hold()
        self.goes_on(time.monotonic(), f"{what}, for a while")

    def words(self):
        """What each node says of the group, for whoever reads a failure."""
        lines = []
        for node in self.cluster.nodes:
            try:
                info = node.connect(timeout=1.0).command("RAFT", "INFO")
                pairs = [one.decode() if isinstance(one, bytes) else str(one) for one in info]
                lines.append(f"{node.name}: " + " ".join(f"{name}={value}" for name, value in zip(pairs[0:30:2], pairs[1:30:2])))
            except Exception as error:  # pylint: disable=broad-except  # it hangs, or is not there
                lines.append(f"{node.name}: {error!r}")
        return "\n".join(lines)

    def pick(self, of):
        leader = self.cluster.leader()
        return leader if of == "leader" else self.rng.choice([one for one in self.cluster.nodes if one is not leader])

    # --- processes ---

    def kill_leader(self):
        leader = self.cluster.leader()
        leader.kill()
        self.gaps.append(self.goes_on(time.monotonic(), "after kill -9 of the leader"))
        leader.start()

    def kill_follower(self):
        follower = self.pick("follower")
        follower.kill()
        self.goes_on(time.monotonic(), "after kill -9 of a follower")
        self.hold()
        follower.start()

    def kill_all(self):
        self.cluster.kill()
        for node in self.rng.sample(self.cluster.nodes, len(self.cluster.nodes)):
            node.start()
        self.goes_on(time.monotonic(), "after kill -9 of all", 15.0)

    def hang(self, of):
        node = self.pick(of)
        os.kill(node.pid, signal.SIGSTOP)
        try:
            self.others_go_on(node if of == "leader" else None, f"with a {of} that is stopped")
        finally:
            os.kill(node.pid, signal.SIGCONT)
        self.catch_up(node)

    def hang_leader(self):
        self.hang("leader")

    def hang_follower(self):
        self.hang("follower")

    # --- the network between the nodes; clients reach all of them all the time ---

    def cut(self, node, directions, what):
        """Frames of these directions, "from" and "to" the node, are lost."""
        number = node.place.number
        pairs = [pair for pair in self.wires.pairs()
                 if ("from" in directions and pair[0] == number) or ("to" in directions and pair[1] == number)]
        leader = self.cluster.leader()
        self.wires.rule(pairs, loss=1.0)
        try:
            self.others_go_on(node if node is leader else None, what)
        finally:
            self.wires.heal()
        self.catch_up(node)

    def partition_leader(self):
        self.cut(self.pick("leader"), ("from", "to"), "with a leader that is cut off")

    def partition_follower(self):
        self.cut(self.pick("follower"), ("from", "to"), "with a follower that is cut off")

    def mute_leader(self):
        self.cut(self.pick("leader"), ("from",), "with a leader that nobody hears")

    def deaf_leader(self):
        self.cut(self.pick("leader"), ("to",), "with a leader that hears nobody")

    def mute_follower(self):
        self.cut(self.pick("follower"), ("from",), "with a follower that nobody hears")

    def deaf_follower(self):
        self.cut(self.pick("follower"), ("to",), "with a follower that hears nobody")

    def split_all(self):
        """Nobody has a majority: nothing is acknowledged, and all goes on when it is over."""
        self.wires.rule(self.wires.pairs(), loss=1.0)
        try:
            self.hold()
        finally:
            self.wires.heal()
        self.goes_on(time.monotonic(), "after all nodes were cut off from each other")

    def slow_network(self):
        """Delay and loss: an election may be needed, and takes longer."""
        self.wires.rule(self.wires.pairs(), loss=SLOW_LOSS, delay_ms=SLOW_MS)
        try:
            self.goes_on(time.monotonic(), "with delay and loss", 3 * GAP_SECONDS_MAX)
            self.hold()
            self.goes_on(time.monotonic(), "with delay and loss for a while", 3 * GAP_SECONDS_MAX)
        finally:
            self.wires.heal()

    # --- disks ---

    def full_disk_leader(self):
        """It hands over: the others have room."""
        node = self.disk_node
        self.lead(node, True)
        self.disk.fill()
        try:
            self.others_go_on(node, "with a full disk of the leader")
        finally:
            self.empty_disk()

    def full_disk_follower(self):
        self.lead(self.disk_node, False)
        self.disk.fill()
        try:
            self.goes_on(time.monotonic(), "with a full disk of a follower")
            self.hold()
            self.goes_on(time.monotonic(), "with a full disk of a follower, for a while")
        finally:
            self.empty_disk()

    def hang_disk(self, is_leader, what):
        """It returns no error and no answer: a leader gives up by itself. In the end the node has all again."""
        node = self.hanging_node
        self.lead(node, is_leader)
        began = time.monotonic()
        self.hanging_disk.freeze()
        try:
            self.others_go_on(node if is_leader else None, what, began, HANGING_DISK_SECONDS_MAX)
        finally:
            self.hanging_disk.thaw()
        self.catch_up(node)

    def hang_disk_leader(self):
        self.hang_disk(True, "with a leader whose disk hangs")

    def hang_disk_follower(self):
        self.hang_disk(False, "with a follower whose disk hangs")

    def empty_disk(self):
        """Until the node has seen it: what is done with a full disk is done once for each time."""
        self.disk.empty()
        connection = self.disk_node.connect(timeout=10)
        poll(lambda: b"disk_full:0" in connection.command("INFO", "alfheimdb"), "the disk has room again", 30, 0.02)
        connection.close()

    def lead(self, node, is_wanted):
        """Leadership is handed over until the node leads, or does not."""
        def is_so():
            leader = self.cluster.leader()
            if (leader is node) == is_wanted:
                return True
            target = node if is_wanted else next(one for one in self.cluster.nodes if one is not leader)
            connection = leader.connect(timeout=10)
            connection.send(("RAFT", "TRANSFER", target.name))
            connection.reply()  # an error, where the target is not ready: asked again
            connection.close()
            return False
        poll(is_so, f"{node.name} {'leads' if is_wanted else 'follows'}", 30, 0.1)

    # --- snapshots ---

    def snapshot(self):
        """A follower is away while more is written than the log is kept for, and comes back."""
        follower = self.pick("follower")
        before = self.snapshots_installed(follower)
        has = raft_info(follower, timeout=10)["log-last"]
        follower.kill()
        try:
            self.fill(3 * self.retain_bytes)
            # Until the log that it would need is gone.
            while raft_info(self.cluster.leader(), timeout=10)["log-first"] <= has + 1:
                self.fill(self.retain_bytes)
        finally:
            follower.start()
        poll(lambda: self.snapshots_installed(follower) > before, f"{follower.name} installs a snapshot", CATCH_UP_SECONDS, 0.05)
        self.catch_up(follower)

    def fill(self, total_bytes):
        """Large values on a few keys, through whoever leads."""
        connection, written, number = None, 0, 0
        deadline = time.monotonic() + 60
        while written < total_bytes:
            check(time.monotonic() < deadline, f"{total_bytes} bytes were not written within 60 s")
            if connection is None:
                connection = self.cluster.leader().connect(timeout=10)
            try:
                connection.command("SET", f"filler:{number % 64}", os.urandom(FILLER_BYTES))
                written, number = written + FILLER_BYTES, number + 1
            except Exception:  # pylint: disable=broad-except  # it leads no longer: asked again
                connection.close()
                connection = None

    @staticmethod
    def snapshots_installed(node):
        count = 0
        for name in os.listdir(node.log_directory):
            with open(os.path.join(node.log_directory, name), "rb") as log:
                count += log.read().count(b"restarting over the snapshot")
        return count

    def catch_up(self, node):
        """It has what the leader has committed by now: before that, the next fault may not take another."""
        leader = raft_info(self.cluster.leader(), timeout=10)

        def is_there():
            try:
                return raft_info(node, timeout=5)["applied"] >= leader["commit"]
            except Exception:  # pylint: disable=broad-except  # it is starting
                return False
        poll(is_there, f"{node.name} catches up", CATCH_UP_SECONDS, 0.05)

    # --- members ---

    def members(self):
        """An empty node comes under a new id and votes; then a member is removed for ever, and says so."""
        busy = [node.place for node in self.cluster.nodes]
        new = self.cluster.add(next(place for place in self.wires.hosts if place not in busy))
        began = time.monotonic()
        poll(lambda: self.cluster.part_of(new.name) == "voter", f"{new.name} votes", CATCH_UP_SECONDS, 0.05)
        self.goes_on(began, "while a node joins")
        old = self.rng.choice([node for node in self.cluster.nodes if node not in (self.disk_node, self.hanging_node)])
        began = time.monotonic()
        self.cluster.remove(old)
        poll(lambda: says_removed(old), f"{old.name} says that it was removed", GAP_SECONDS_MAX, 0.05)
        self.goes_on(began, "after a member was removed")
        old.kill()
        shutil.rmtree(old.directory, ignore_errors=True)

    def small_disk(self, node, mib):
        self.disk, self.disk_node = Disk(node.directory, mib), node

    def disk_that_may_hang(self, node, mib):
        self.hanging_disk, self.hanging_node = LoopDisk(node.directory, node.directory + ".ext4", mib), node

    def unmount(self):
        for disk in (self.disk, self.hanging_disk):
            if disk is not None:
                disk.unmount()


def says_removed(node):
    connection = node.connect(timeout=5)
    try:
        connection.send(("GET", "no-such-key"))
        return str(connection.reply()).startswith("CLUSTERDOWN This node was removed")
    except Disconnected:
        return False
    finally:
        connection.close()


# In this order in the short form. kill_all and split_all leave no majority while they last.
NAMES = ["kill_leader", "hang_leader", "kill_follower", "partition_leader", "mute_leader", "deaf_leader", "snapshot",
         "slow_network", "full_disk_leader", "hang_disk_leader", "kill_all", "full_disk_follower", "hang_follower",
         "hang_disk_follower", "mute_follower", "deaf_follower", "partition_follower", "split_all", "members"]
