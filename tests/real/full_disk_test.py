#!/usr/bin/python3
"""full_disk_test: a real disk that fills up, and has room again.

The data directory lies on a small tmpfs in a mount namespace of this suite's own. Filled by the
server itself, and by somebody else to the last byte: writes that need room are answered -OOM and
certainly not done, reads and deletes go on, and writes are taken again when there is room, without
a restart. Stopped or killed, the node starts again on a disk without a free byte, and serves:
everything that was acknowledged is there.
"""

import os
import shutil
import subprocess
import sys
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness import resp, suite  # noqa: E402
from harness.server import Server  # noqa: E402
from harness.suite import Failure, check, check_equal, poll  # noqa: E402

MIB = 1 << 20
DISK_MIB = 160
OPTIONS = ["--segment-size", "4mb", "--disk-reserve", "16mb", "--memory-budget", "8mb", "--dirty-budget", "2mb",
           "--log-bytes-per-freeze", "8mb"]
OK = "OK"
INSIDE = "ALF_FULL_DISK_INSIDE"


def enter_namespace():
    """Starts this suite again where it may mount, as root or in a user namespace."""
    if os.environ.get(INSIDE):
        return
    unshare = shutil.which("unshare")
    if unshare is None:
        raise Failure("unshare (util-linux) is not there: the suite cannot mount a small disk")
    command = [unshare, "--mount"] + ([] if os.geteuid() == 0 else ["--map-root-user"])
    os.environ[INSIDE] = "1"
    os.execv(unshare, command + [sys.executable] + sys.argv)


def ask(connection, *words):
    """The reply, errors too."""
    connection.send(words)
    return connection.reply()


def value_of(number, size=3000):
    return b"%08d" % number + b"v" * (size - 8)


def is_oom(reply):
    return isinstance(reply, resp.ReplyError) and str(reply).startswith("OOM command not allowed when the disk is full")


class Disk:
    def __init__(self, directory, mib=DISK_MIB):
        self.directory = directory
        self.ballast = os.path.join(directory, "ballast")
        os.makedirs(directory, exist_ok=True)
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mib}m", "none", directory],
                                 stderr=subprocess.PIPE, text=True, check=False)
        check(mounted.returncode == 0, f"mount a tmpfs on {directory}: {mounted.stderr.strip()}")

    def unmount(self):
        """So that the suite can remove its directory; what is there is gone."""
        subprocess.run(["umount", "--lazy", self.directory], check=True)

    def free(self):
        found = os.statvfs(self.directory)
        return found.f_bavail * found.f_frsize

    def fill(self):
        """To the last byte."""
        with open(self.ballast, "ab") as file:
            try:
                while True:
                    os.write(file.fileno(), b"\0" * 65536)
            except OSError:
                pass
        check(self.free() == 0, f"{self.free()} bytes are free still")

    def empty(self):
        os.unlink(self.ballast)


def info(connection, field):
    text = ask(connection, b"INFO", b"alfheimdb").decode()
    return next(line.split(":")[1] for line in text.splitlines() if line.startswith(field + ":"))


def write_until_full(connection, acknowledged, first):
    for number in range(first, first + 200000):
        key = b"k%d" % number
        reply = ask(connection, b"SET", key, value_of(number))
        if is_oom(reply):
            return number
        check_equal(reply, OK, f"SET {key}")
        acknowledged[key] = value_of(number)
    raise Failure("the disk never became full")


def check_all(connection, acknowledged, refused, when):
    for key, value in acknowledged.items():
        check_equal(ask(connection, b"GET", key), value, f"{when}: GET {key}")
    for key in refused:
        check_equal(ask(connection, b"EXISTS", key), 0, f"{when}: EXISTS {key}, which was refused")


def check_full(connection, acknowledged, refused, tag):
    """What must hold while the disk is full."""
    keys = sorted(acknowledged)
    key = b"refused" + tag
    for command in ([b"SET", key, b"1"], [b"APPEND", key, b"1"], [b"INCR", key], [b"MSET", key, b"1", keys[0], b"x"]):
        reply = ask(connection, *command)
        check(is_oom(reply), f"{command[0]} on a full disk was answered {suite.shorten(reply)}")
    refused.add(key)
    check_equal(ask(connection, b"GET", keys[0]), acknowledged[keys[0]], "GET on a full disk")
    for command in ([b"DEL", keys[1]], [b"UNLINK", keys[2]]):
        check_equal(ask(connection, *command), 1, f"{command[0]} on a full disk")
        del acknowledged[command[1]]
    check_equal(ask(connection, b"GETDEL", keys[3]), acknowledged.pop(keys[3]), "GETDEL on a full disk")
    ask(connection, b"MULTI")
    check(is_oom(ask(connection, b"SET", key, b"1")), "SET was queued on a full disk")
    aborted = ask(connection, b"EXEC")
    check(isinstance(aborted, resp.ReplyError) and str(aborted).startswith("EXECABORT"), f"EXEC was answered {aborted!r}")


def wait_for_room(connection, acknowledged, tag):
    key = b"again" + tag
    poll(lambda: ask(connection, b"SET", key, b"1") == OK, "SET after there was room again", 60, 0.1)
    acknowledged[key] = b"1"
    check_equal(info(connection, "disk_full"), "0", "INFO disk_full")


def start_on_full_disk(server, disk, acknowledged, refused, tag):
    """Nobody makes room for it."""
    disk.fill()
    server.start()
    connection = server.connect(timeout=60)
    check_all(connection, acknowledged, refused, "after a start on a full disk")
    check_full(connection, acknowledged, refused, tag)
    return connection


def run(options, directory):
    disk = Disk(os.path.join(directory, "disk"))
    acknowledged, refused = {}, set()
    with Server(options.server, disk.directory, extra=OPTIONS, log_directory=directory) as server:
        connection = server.connect(timeout=60)
        # Filled by the server itself, down to its reserve.
        count = write_until_full(connection, acknowledged, 0)
        check(disk.free() > 0, "the server used up what it was to keep free")
        check_equal(info(connection, "disk_full"), "1", "INFO disk_full")
        metrics = urllib.request.urlopen(f"http://127.0.0.1:{server.http_port}/metrics", timeout=10).read().decode()
        check("alfheimdb_disk_full 1" in metrics, "the metrics do not tell that the disk is full")
        check_full(connection, acknowledged, refused, b"1")
        # And to the last byte, by somebody else.
        disk.fill()
        check_full(connection, acknowledged, refused, b"2")
        check_all(connection, acknowledged, refused, "on a full disk")
        server.kill()
        start_on_full_disk(server, disk, acknowledged, refused, b"3")
        disk.fill()
        check_equal(server.terminate(), 0, "exit status of SIGTERM on a full disk")
        connection = start_on_full_disk(server, disk, acknowledged, refused, b"4")
        # What frees all makes room, though somebody else holds the last byte.
        check_equal(ask(connection, b"FLUSHALL"), OK, "FLUSHALL on a full disk")
        acknowledged.clear()
        wait_for_room(connection, acknowledged, b"0")
        count = write_until_full(connection, acknowledged, 0)
        # Deleting makes room, without anybody's help.
        for number in range(0, count):
            if acknowledged.pop(b"k%d" % number, None) is not None:
                check_equal(ask(connection, b"DEL", b"k%d" % number), 1, "DEL")
        wait_for_room(connection, acknowledged, b"1")
        # Somebody else fills it, and goes.
        disk.fill()
        poll(lambda: is_oom(ask(connection, b"SET", b"x", value_of(1, 100))), "-OOM on a disk that others filled", 60, 0.01)
        check_equal(ask(connection, b"DEL", b"x"), ask(connection, b"EXISTS", b"nothing") + 1, "DEL x")
        disk.empty()
        wait_for_room(connection, acknowledged, b"2")
        server.kill()
        server.start()
        check_all(server.connect(timeout=60), acknowledged, refused, "after the last kill -9")
        check_equal(server.terminate(), 0, "exit status of SIGTERM")
    disk.unmount()


if __name__ == "__main__":
    arguments = suite.parser(__doc__).parse_args()
    enter_namespace()
    suite.main(run, arguments)
