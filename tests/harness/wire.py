"""harness/wire: the network between the nodes of a suite, with faults.

Each host is a network namespace of its own with two wires to the suite: one for clients, which always
works, and one to the other hosts, which a process of ours carries frame by frame (the kernel's netem
is not there everywhere). It can cut one direction between two hosts, delay and lose. The addresses
are the same in every run, since nothing else is in these namespaces. `enter_namespace()` first.

    python3 wire.py INTERFACE...     the carrier; frames go by the last byte of the MAC address

It is told by lines on its standard input: `rule FROM TO LOSS DELAY_MS` (hosts from 0; loss 1: cut).
"""

import ctypes
import heapq
import os
import random
import select
import shutil
import signal
import socket
import subprocess
import sys
import time

INSIDE = "ALF_WIRE_INSIDE"
SOL_PACKET, PACKET_VNET_HDR, ETH_P_ALL, PACKET_OUTGOING = 263, 15, 3, 4
VNET_HEADER_BYTES = 10
FRAME_BYTES_MAX = 1 << 17
QUEUE_FRAMES_MAX = 20000  # a queue that is full loses, as those of routers do


def enter_namespace():
    """Starts this suite again where it may mount and make networks, as root or in a user namespace."""
    if os.environ.get(INSIDE):
        return
    unshare = shutil.which("unshare")
    if unshare is None:
        raise RuntimeError("unshare (util-linux) is not there: the suite cannot make networks")
    os.environ[INSIDE] = "1"
    as_root = [] if os.geteuid() == 0 else ["--map-root-user"]
    os.execv(unshare, [unshare, "--mount", "--net"] + as_root + [sys.executable] + sys.argv)


def bound_to_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: nobody outlives the suite


def ip(*lines, inside=()):
    done = subprocess.run([*inside, "ip", "-batch", "-"], input="\n".join(lines) + "\n", text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"ip: {done.stdout.strip()} in:\n" + "\n".join(lines))


class Host:
    """A namespace: where clients reach what runs there, where its peers do, and how it is entered."""

    def __init__(self, number):
        self.number = number
        self.address = f"10.78.{number}.2"
        self.raft_address = f"10.77.0.{number + 1}"
        self.keeper = subprocess.Popen(["unshare", "--net", "cat"], stdin=subprocess.PIPE, preexec_fn=bound_to_parent)
        self.prefix = ["nsenter", f"--net=/proc/{self.keeper.pid}/ns/net"]
        deadline = time.monotonic() + 10
        while os.readlink(f"/proc/{self.keeper.pid}/ns/net") == os.readlink("/proc/self/ns/net"):
            if time.monotonic() > deadline:
                raise RuntimeError("unshare --net: no new network after 10 s")
            time.sleep(0.002)  # between two looks
        outer = [f"client{number}", f"wire{number}"]
        ip(f"link add {outer[0]} type veth peer name client netns {self.keeper.pid}",
           f"link add {outer[1]} type veth peer name wire address 02:00:00:00:00:{number:02x} netns {self.keeper.pid}",
           f"addr add 10.78.{number}.1/24 dev {outer[0]}", f"link set {outer[0]} up", f"link set {outer[1]} up")
        ip("link set lo up", f"addr add {self.address}/24 dev client", "link set client up",
           f"addr add {self.raft_address}/24 dev wire", "link set wire up", inside=self.prefix)


class Wires:
    """The hosts of one suite and the process between them."""

    def __init__(self, count):
        ip("link set lo up")
        self.hosts = [Host(number) for number in range(count)]
        self.carrier = subprocess.Popen([sys.executable, os.path.abspath(__file__)] + [f"wire{i}" for i in range(count)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=bound_to_parent)
        self._told()

    def _told(self):
        if self.carrier.stdout.readline() != "ok\n":
            raise RuntimeError("the process that carries frames between the hosts has ended")

    def rule(self, pairs, loss=0.0, delay_ms=0.0):
        """For each (from, to), from the moment that this returns."""
        for source, target in pairs:
            self.carrier.stdin.write(f"rule {source} {target} {loss} {delay_ms}\n")
            self.carrier.stdin.flush()
            self._told()

    def pairs(self):
        count = len(self.hosts)
        return [(a, b) for a in range(count) for b in range(count) if a != b]

    def heal(self):
        self.rule(self.pairs())


class Carrier:
    def __init__(self, interfaces):
        self.sockets = []
        for name in interfaces:
            one = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
            one.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)  # checksums and large segments stay the kernel's work
            one.bind((name, ETH_P_ALL))
            one.setblocking(False)
            self.sockets.append(one)
        self.rules = {}  # (from, to): (loss, delay in seconds)
        self.waiting = []  # (when, number, from, to, frame)
        self.number = 0
        self.rng = random.Random(1)

    def run(self):
        by_fd = {one.fileno(): index for index, one in enumerate(self.sockets)}
        poller = select.poll()
        for fd in [0, *by_fd]:
            poller.register(fd, select.POLLIN)
        print("ok", flush=True)
        control = b""
        while True:
            wait_ms = None if not self.waiting else max(0, int(1000 * (self.waiting[0][0] - time.monotonic())) + 1)
            for fd, _ in poller.poll(wait_ms):
                if fd != 0:
                    self.take(by_fd[fd])
                    continue
                data = os.read(0, 65536)
                if not data:
                    return
                *lines, control = (control + data).split(b"\n")
                for line in lines:
                    self.obey(line.split())
            self.send_due()

    def obey(self, words):
        source, target, loss, delay_ms = int(words[1]), int(words[2]), float(words[3]), float(words[4])
        self.rules[source, target] = (loss, delay_ms / 1000)
        if loss >= 1:  # what is on its way is gone, too
            self.waiting = [one for one in self.waiting if one[2:4] != (source, target)]
            heapq.heapify(self.waiting)
        print("ok", flush=True)

    def take(self, source):
        for _ in range(64):
            try:
                frame, address = self.sockets[source].recvfrom(FRAME_BYTES_MAX)
            except (BlockingIOError, OSError):
                return
            if address[2] == PACKET_OUTGOING:
                continue
            mac = frame[VNET_HEADER_BYTES:VNET_HEADER_BYTES + 6]
            if mac[0] & 1:
                targets = [one for one in range(len(self.sockets)) if one != source]
            else:
                targets = [mac[5]] if mac[5] < len(self.sockets) else []
            for target in targets:
                self.carry(source, target, frame)

    def carry(self, source, target, frame):
        loss, delay = self.rules.get((source, target), (0.0, 0.0))
        if loss and self.rng.random() < loss:
            return
        if not delay:
            return self.send(target, frame)
        if len(self.waiting) < QUEUE_FRAMES_MAX:
            self.number += 1
            heapq.heappush(self.waiting, (time.monotonic() + delay, self.number, source, target, frame))

    def send_due(self):
        while self.waiting and self.waiting[0][0] <= time.monotonic():
            _, _, _, target, frame = heapq.heappop(self.waiting)
            self.send(target, frame)

    def send(self, target, frame):
        try:
            self.sockets[target].send(frame)
        except OSError:
            pass  # no room, or the host is gone: lost


if __name__ == "__main__":
    Carrier(sys.argv[1:]).run()
