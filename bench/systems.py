"""bench/systems: the servers that are compared, each a process on a directory of its own.

One at a time runs. A server is signalled by its own pid only and dies with the bench
(harness/server); its figures come from /proc, for all kinds alike.
"""

import contextlib
import os
import shutil
import signal
import time

import machine
from harness.server import Server, StartFailed
from harness.suite import Failure

ALFHEIMDB = "alfheimdb"
STOP_SECONDS = 120.0
SETTLE_SECONDS = 20.0
QUIET_SECONDS = 0.25
QUIET_CPU_SECONDS = 0.02  # in that time

# What redis-server is told of durability. No snapshots, and no rewriting of the log behind the
# clients' backs: both would only slow it down.
REDIS_OPTIONS = {
    "none": ["--appendonly", "no"],
    "everysec": ["--appendonly", "yes", "--appendfsync", "everysec"],
    "always": ["--appendonly", "yes", "--appendfsync", "always"],
}
PEERS = tuple(REDIS_OPTIONS)
LABELS = {ALFHEIMDB: "AlfheimDB", "none": "Redis, no AOF", "everysec": "Redis, everysec", "always": "Redis, always"}


class MeasuredServer(Server):
    """A server of the given system; what it wrote and used is read at any time, and as it stops."""

    def __init__(self, system, program, directory, extra=()):
        super().__init__(program if system == ALFHEIMDB else "redis-server", directory, extra=extra)
        self.system = system

    def command_line(self):
        if self.system == ALFHEIMDB:
            return super().command_line()
        return [self.program, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--daemonize", "no",
                "--dir", self.directory, "--auto-aof-rewrite-percentage", "0"] + REDIS_OPTIONS[self.system] + self.extra

    def cpu_seconds(self):
        return machine.cpu_seconds(self.pid)

    def written_bytes(self):
        return machine.io_bytes(self.pid)

    def read_bytes(self):
        return machine.io_bytes(self.pid, "read_bytes")

    def peak_bytes(self):
        return machine.memory_bytes(self.pid, "VmHWM")

    def anonymous_bytes(self):
        return machine.memory_bytes(self.pid, "RssAnon")

    def settle(self):
        """Until it has written nothing and hardly worked for a moment: what a start prepares, or what is stored
        behind a load, is not the next measurement's doing."""
        deadline = time.monotonic() + SETTLE_SECONDS
        last, since = self.state(), time.monotonic()
        while time.monotonic() < deadline and time.monotonic() - since < QUIET_SECONDS:
            time.sleep(0.02)
            now = self.state()
            if now[0] != last[0] or now[1] - last[1] > QUIET_CPU_SECONDS:
                last, since = now, time.monotonic()

    def state(self):
        return self.written_bytes(), self.cpu_seconds()

    def stop(self):
        """SIGTERM; what it had written when all was stored: the body is looked at before it is taken away."""
        self.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None:
            if time.monotonic() > deadline:
                self.kill()
                raise Failure(f"{self.system}: still ran {STOP_SECONDS:.0f} s after SIGTERM")
            time.sleep(0.005)
        written = self.written_bytes()
        self.exit_status = self.process.wait(10)
        if self.exit_status != 0:
            raise Failure(f"{self.system}: exit status {self.exit_status} after SIGTERM:\n{self.log_tail()}")
        return written

    def seconds_to_ready(self):
        """Starts and says how long it was until it serves, to the millisecond."""
        began = time.monotonic()
        self.spawn()
        while not self.ready.wait(0.05):
            if self.process.poll() is not None:
                raise StartFailed(f"{self.system}: ended as it started:\n{self.log_tail()}")
            if time.monotonic() - began > STOP_SECONDS:
                raise StartFailed(f"{self.system}: not ready within {STOP_SECONDS:.0f} s")
        seconds = time.monotonic() - began
        self.connect().command("PING")
        return seconds


class Stand:
    """Where servers are put up: the directory under which each has its own, side by side on one disk."""

    def __init__(self, program, directory):
        self.program = program
        self.directory = directory
        if not os.access(program, os.X_OK):
            raise Failure(f"no server at {program}: run make first, or name one with --server")
        if not shutil.which("redis-server") or not shutil.which("redis-benchmark"):
            raise Failure("redis-server or redis-benchmark is missing: run make deps")

    def path_of(self, name):
        return os.path.join(self.directory, name)

    def server(self, system, extra=(), name=None):
        """Not started yet; on a directory of the given name, else the system's."""
        return MeasuredServer(system, self.program, self.path_of(name or system), extra)

    @contextlib.contextmanager
    def fresh(self, system, extra=()):
        """A running server without data; all of it is gone afterwards."""
        self.clear(system)
        server = self.server(system, extra)
        try:
            server.start()
            server.settle()
            yield server
        finally:
            server.kill()
            self.clear(system)

    def clear(self, name):
        shutil.rmtree(self.path_of(name), ignore_errors=True)
        # Else the file system would free the blocks while the next one is measured.
        os.sync()
