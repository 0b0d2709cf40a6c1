"""harness/server: one server process, of either kind.

`alfheimdb` is what the suites are for; `redis-server` can stand in, as the reference or to try
the suites themselves. Ports are free ones that the system picked. A process is only ever
signalled by the pid that was started here, and dies with the suite.
"""

import os
import random
import shutil
import signal
import socket
import subprocess
import threading
import time

from . import resp
from .suite import Failure

START_SECONDS = 60.0


def free_ports(count):
    """Free and different: all are held until the last is found."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def free_ports_in_a_row(count, attempts=100):
    """The first of so many, for a program that counts from one on; below those that the system gives to
    connections, so that none of them is taken in between."""
    for _ in range(attempts):
        first = random.SystemRandom().randrange(10000, 32000)
        probes = [socket.socket() for _ in range(count)]
        try:
            for number, probe in enumerate(probes):
                probe.bind(("127.0.0.1", first + number))
            return first
        except OSError:
            pass  # one of them is not free
        finally:
            for probe in probes:
                probe.close()
    raise Failure(f"{count} free ports in a row were not found in {attempts} attempts")


def is_redis(program):
    return "redis-server" in os.path.basename(program)


def bounded_to_parent(command):
    """So that a suite that is killed leaves no server behind."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL"] + command if setpriv else command


class StartFailed(Failure):
    """The process ended, or never said that it serves."""


class Server:
    """Start, kill -9 and start again on the same directory.

    `durable=False` is the reference of the differential suite: Redis with nothing on disk. What the
    server prints is kept in `log_directory`, where its own directory has no room for it. `place`: a
    harness.wire.Host that it runs in, instead of on loopback.
    """

    def __init__(self, program, directory, durable=True, extra=(), log_directory=None, ports=None, place=None):
        self.program = program
        self.directory = directory
        self.log_directory = log_directory or directory
        self.durable = durable
        self.extra = list(extra)
        self.place = place
        self.host = place.address if place else "127.0.0.1"
        self.process = None
        self.ports = ports  # of a member of a cluster, whose others know them; else new ones at each start
        self.port = self.raft_port = self.http_port = None
        self.start_count = 0
        self.exit_status = None
        os.makedirs(directory, exist_ok=True)

    @property
    def is_redis(self):
        return is_redis(self.program)

    def command_line(self):
        if self.is_redis:
            keep = ["--appendonly", "yes", "--appendfsync", "always"] if self.durable else ["--appendonly", "no"]
            return [self.program, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "",
                    "--dir", self.directory, "--daemonize", "no"] + keep + self.extra
        raft_host = self.place.raft_address if self.place else self.host
        prefix = self.place.prefix if self.place else []
        return prefix + [self.program, "--dir", os.path.join(self.directory, "data"),
                         "--resp-addr", f"{self.host}:{self.port}", "--raft-addr", f"{raft_host}:{self.raft_port}",
                         "--http-addr", f"{self.host}:{self.http_port}"] + self.extra

    def spawn(self):
        """Starts the process without waiting until it serves."""
        if not (os.path.exists(self.program) or shutil.which(self.program)):
            raise Failure(f"no server at {self.program}: build it first, or name one with --server or ALF_SERVER")
        self.port, self.raft_port, self.http_port = self.ports or free_ports(3)
        self.start_count += 1
        self.exit_status = None
        self.log_path = os.path.join(self.log_directory, f"stderr.{self.start_count}.log")
        self.ready = threading.Event()
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(bounded_to_parent(self.command_line()), stdin=subprocess.DEVNULL,
                                            stdout=subprocess.PIPE, stderr=log)
        threading.Thread(target=self._read_stdout, args=(self.process, self.ready, self.start_count), daemon=True).start()

    def _read_stdout(self, process, ready, number):
        words = (b"ready:", b"Ready to accept connections")
        with open(os.path.join(self.log_directory, f"stdout.{number}.log"), "wb") as log:
            for line in process.stdout:
                log.write(line)
                log.flush()
                if line.startswith(words[0]) or words[1] in line:
                    ready.set()

    def start(self):
        """Starts and waits for the line that says that the node serves."""
        for attempt in range(3):
            self.spawn()
            deadline = time.monotonic() + START_SECONDS
            while not self.ready.wait(0.01):
                if self.process.poll() is not None or time.monotonic() > deadline:
                    break
            if self.ready.is_set():
                return self
            ended = self.process.poll()
            tail = self.log_tail()
            self.kill()
            # Between the probe and the bind another process may have taken the port: that alone is tried again.
            if ended is None or "in use" not in tail or attempt == 2:
                raise StartFailed(f"{self.program} did not get ready "
                                  f"({'no ready line' if ended is None else f'exit status {ended}'}); its last words:\n{tail}")
        raise AssertionError("unreachable")

    def log_tail(self, lines=15):
        text = ""
        for kind in ("stdout", "stderr"):
            path = os.path.join(self.log_directory, f"{kind}.{self.start_count}.log")
            if os.path.exists(path):
                with open(path, "rb") as log:
                    text += log.read()[-20000:].decode("utf-8", "replace")
        return "\n".join(text.splitlines()[-lines:])

    @property
    def pid(self):
        return self.process.pid

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        """kill -9, and the body taken away."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.kill()
        self.exit_status = self.process.wait(30)

    def terminate(self, seconds=30.0):
        """SIGTERM; the exit status, or a failure when the process does not go."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.exit_status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Failure(f"SIGTERM: pid {self.pid} still ran after {seconds} s") from None
        return self.exit_status

    def connect(self, protocol=2, timeout=30.0):
        return resp.Connection(self.port, host=self.host, protocol=protocol, timeout=timeout)

    def memory_kib(self, field="RssAnon"):
        with open(f"/proc/{self.pid}/status") as status:
            for line in status:
                if line.startswith(field + ":"):
                    return int(line.split()[1])
        raise Failure(f"/proc/{self.pid}/status has no {field}")

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.kill()
