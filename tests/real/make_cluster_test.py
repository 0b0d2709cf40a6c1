#!/usr/bin/python3
"""make_cluster_test: what `make cluster` starts: three nodes that serve when their addresses are printed.

    make_cluster_test.py            there is one form

redis-cli -c sets a key, the leader is killed with kill -9, and another node has the key within five seconds.
Ctrl-C, and SIGTERM, end all three. Where a node ends at once, or is never ready, the script names it and its
log, and leaves no process behind. Ports are free ones, the directories its own.
"""

import os
import re
import signal
import socket
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness import suite  # noqa: E402
from harness.server import free_ports_in_a_row  # noqa: E402
from harness.suite import check, check_equal, poll  # noqa: E402

SCRIPT = os.path.join(suite.REPOSITORY, "scripts", "cluster")
NODES = 3
STARTS_SECONDS = 40.0  # the script gives each of its two waits 30
ENDS_SECONDS = 30.0
FOUND_SECONDS = 5.0  # from kill -9 of the leader to what it acknowledged
ADDRESS = re.compile(r"^n(\d): redis-cli -c -p (\d+)   http://127\.0\.0\.1:(\d+)/   log (\S+)   pid (\d+)$", re.MULTILINE)
LEADS = re.compile(r"^n(\d) leads\. Ctrl-C stops all three\.", re.MULTILINE)
# Ends the group when the suite does, whatever ends that: then its standard input does.
KEEPER = "trap '' INT TERM; cat >/dev/null; kill -KILL 0"
# Stands for a server whose n2 never says that it serves.
SILENT = "#!/bin/bash\n[[ $2 == n2 ]] && exec sleep 600\nexec {server} \"$@\"\n"


class Script:
    """scripts/cluster in a process group of its own, as a terminal would have it, on nine ports from the first on."""

    def __init__(self, server, directory, first_port=None, ready_seconds=30):
        self.data, self.output = os.path.join(directory, "data"), os.path.join(directory, "output.log")
        os.makedirs(directory, exist_ok=True)
        self.resp = first_port or free_ports_in_a_row(3 * NODES)
        self.http = self.resp + 2 * NODES
        environment = os.environ | {"DIR": self.data, "RESP_PORT": str(self.resp), "RAFT_PORT": str(self.resp + NODES),
                                    "HTTP_PORT": str(self.http), "READY_SECONDS": str(ready_seconds)}
        self.keeper = subprocess.Popen(["bash", "-c", KEEPER], stdin=subprocess.PIPE, process_group=0)
        self.group = self.keeper.pid
        with open(self.output, "wb") as output:
            self.process = subprocess.Popen([SCRIPT, server], stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                                            env=environment, process_group=self.group)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.keeper.stdin.close()
        self.keeper.wait(ENDS_SECONDS)
        self.process.wait(ENDS_SECONDS)

    @property
    def text(self):
        with open(self.output, encoding="utf-8", errors="replace") as output:
            return output.read()

    def processes(self):
        """Of its group, those that run: the script, and what it has started; the keeper and its cat aside."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
                    fields = file.read().rpartition(")")[2].split()
            except OSError:
                continue  # it has just ended
            is_kept = self.keeper.pid in (int(pid), int(fields[1]))
            if int(fields[2]) == self.group and not is_kept and fields[0] not in "ZX":
                found.append(int(pid))
        return found

    def wait_until_it_serves(self):
        poll(lambda: LEADS.search(self.text) or self.process.poll() is not None, f"{SCRIPT} prints who leads", STARTS_SECONDS)
        check(self.process.poll() is None, f"{SCRIPT} ended with {self.process.poll()}\n{self.text}")
        rows = [[int(row[0]), int(row[1]), int(row[2]), int(row[4])] for row in ADDRESS.findall(self.text)]
        expected = [[number + 1, self.resp + number, self.http + number] for number in range(NODES)]
        check_equal([row[:3] for row in rows], expected, "the addresses that are printed")
        self.pids = [row[3] for row in rows]
        check(set(self.pids) < set(self.processes()), f"the pids that are printed, {self.pids}, run")
        return int(LEADS.search(self.text).group(1)) - 1

    def end(self, how, expected):
        """The exit status, and whether anything is left."""
        how()
        try:
            check_equal(self.process.wait(ENDS_SECONDS), expected, f"the exit status of {SCRIPT}")
        except subprocess.TimeoutExpired:
            check(False, f"{SCRIPT} still ran after {ENDS_SECONDS} s\n{self.text}")
        check_equal(self.processes(), [], f"the processes that {SCRIPT} left behind")


def redis_cli(port, *words):
    done = subprocess.run(["redis-cli", "-c", "-p", str(port), *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=30, check=False)
    return done.stdout.strip()


def lose_leader(options, directory):
    """Then Ctrl-C, which a terminal sends to all of them. Where it was: all know each other's addresses."""
    with Script(options.server, directory) as script:
        leader = script.wait_until_it_serves()
        others = [script.resp + number for number in range(NODES) if number != leader]
        check_equal(redis_cli(others[0], "set", "greeting", "hello"), "OK", "redis-cli -c set, at a follower")
        os.kill(script.pids[leader], signal.SIGKILL)
        poll(lambda: redis_cli(others[1], "get", "greeting") == "hello", "redis-cli -c get, after kill -9 of the leader", FOUND_SECONDS, 0.05)
        said = f"scripts/cluster: n{leader + 1} (pid {script.pids[leader]}) ended; the last lines of its log {script.data}/n{leader + 1}.log:"
        poll(lambda: said in script.text and "the others go on until Ctrl-C" in script.text, f"it says: {said}")
        check_equal(redis_cli(others[0], "set", "greeting", "again"), "OK", "redis-cli -c set, while two go on")
        script.end(lambda: os.killpg(script.group, signal.SIGINT), 0)
        return script.resp


def start_again(options, directory, first_port):
    """With its data, all three. SIGTERM comes to the script alone."""
    with Script(options.server, directory, first_port) as script:
        leader = script.wait_until_it_serves()
        check_equal(redis_cli(script.resp + leader, "get", "greeting"), "again", "redis-cli get, once it was started again")
        script.end(script.process.terminate, 0)


def used_port(options, directory):
    """The node that cannot start is named, with the reason, and the others do not stay."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", free_ports_in_a_row(3 * NODES)))
        other.listen()
        port = other.getsockname()[1]
        with Script(options.server, directory, port) as script:
            script.end(lambda: None, 1)
    log = f"{script.data}/n1.log"
    said = rf"^scripts/cluster: n1 \(pid \d+\) ended; the last lines of its log {log}:\n(  n1 \| .*\n)*  n1 \| .*127\.0\.0\.1:{port}.*in use"
    check(re.search(said, script.text, re.MULTILINE | re.IGNORECASE), f"a port is in use: it says\n{script.text}")
    check(not ADDRESS.search(script.text), f"it prints addresses where one node does not serve\n{script.text}")


def never_ready(options, directory):
    os.makedirs(directory)
    server = os.path.join(directory, "silent")
    with open(server, "w", encoding="utf-8") as file:
        file.write(SILENT.format(server=options.server))
    os.chmod(server, 0o755)
    with Script(server, directory, ready_seconds=2) as script:
        script.end(lambda: None, 1)
        said = f'scripts/cluster: n2 did not say "ready:" within 2 s: see {script.data}/n2.log; stopped all three'
        check(said in script.text, f"a node is never ready: it says\n{script.text}\nexpected {said}")
        check(not ADDRESS.search(script.text), f"it prints addresses where one node does not serve\n{script.text}")


def run(options, directory):
    options.server = os.path.abspath(options.server)
    first_port = lose_leader(options, os.path.join(directory, "group"))
    start_again(options, os.path.join(directory, "group"), first_port)
    used_port(options, os.path.join(directory, "used"))
    never_ready(options, os.path.join(directory, "silent"))


if __name__ == "__main__":
    suite.main(run, suite.parser(__doc__).parse_args())
