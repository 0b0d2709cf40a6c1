#!/usr/bin/python3
"""cli_errors_test: a server that cannot start says so in one line, with what to do, and exits 1.

Only alfheimdb: the wording is its own promise, not Redis's.
"""

import os
import pwd
import shutil
import socket
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness import suite  # noqa: E402
from harness.server import Server, free_ports  # noqa: E402
from harness.suite import check, check_equal  # noqa: E402

END_SECONDS = 30


class Cases:
    def __init__(self, program, directory):
        self.program = os.path.abspath(program)
        self.directory = directory
        self.count = 0

    def addresses(self, **changed):
        ports = {**dict(zip(("resp", "raft", "http"), free_ports(3))), **changed}
        return [word for name, port in ports.items() for word in (f"--{name}-addr", f"127.0.0.1:{port}")]

    def data(self, name):
        return os.path.join(self.directory, name)

    def file(self, name, text):
        path = self.data(name)
        with open(path, "w") as file:
            file.write(text)
        return path

    def refuses(self, what, words, *mentions, prefix=()):
        """Exit status 1, nothing that claims to be ready, one line on stderr that names the culprit."""
        self.count += 1
        try:
            done = subprocess.run([*prefix, self.program, *words], stdin=subprocess.DEVNULL, capture_output=True, timeout=END_SECONDS,
                                  check=False, cwd=self.directory)
        except subprocess.TimeoutExpired:
            raise suite.Failure(f"{what}: `{' '.join(words)}` still runs after {END_SECONDS} s, it should have refused") from None
        stderr = done.stderr.decode("utf-8", "replace")
        said = f"{what}: `alfheimdb {' '.join(words)}` ended with {done.returncode} and stderr {stderr[:1500]!r}"
        check_equal(done.returncode, 1, f"{said}; exit status")
        check(b"ready:" not in done.stdout, f"{said}; yet it printed a ready line")
        lines = stderr.splitlines()
        check(len(lines) == 1, f"{said}; expected exactly one line")
        check(len(lines[0]) > 20, f"{said}; that says too little")
        for word in mentions:
            check(word.lower() in lines[0].lower(), f"{said}; expected it to mention {word!r}")


def command_lines(cases):
    some = ["--dir", cases.data("unused")] + cases.addresses()
    cases.refuses("an unknown option", some + ["--no-such-option"], "--no-such-option")
    cases.refuses("a stray word", some + ["stray"], "stray")
    cases.refuses("an option without its value", some[2:] + ["--dir"], "--dir")
    cases.refuses("an address without a port", ["--dir", cases.data("unused"), "--resp-addr", "127.0.0.1"], "resp-addr")
    cases.refuses("a port that is no number", ["--dir", cases.data("unused"), "--resp-addr", "127.0.0.1:http"], "resp-addr")
    cases.refuses("a port that is too large", ["--dir", cases.data("unused"), "--raft-addr", "127.0.0.1:70000"], "raft-addr")
    cases.refuses("an address of another machine", ["--dir", cases.data("unused")] + cases.addresses()[2:] + ["--resp-addr", "192.0.2.1:6379"],
                  "192.0.2.1")
    cases.refuses("loops that are no number", some + ["--loops", "many"], "loops")


def directories(cases):
    cases.refuses("a directory that is a file", ["--dir", cases.file("file", "")] + cases.addresses(), cases.data("file"))
    cases.refuses("a directory below a file", ["--dir", cases.data("file/below")] + cases.addresses(), cases.data("file"))
    # root may write anywhere, so an unwritable directory needs another user, or a file system that refuses.
    locked = cases.data("locked")
    os.makedirs(locked, mode=0o500)
    words = ["--dir", os.path.join(locked, "data")] + cases.addresses()
    if os.geteuid() == 0:
        os.chmod(cases.directory, 0o755)
        # The build may lie where only root may look: the other user runs a copy.
        copy = shutil.copy(cases.program, cases.data("program"))
        os.chmod(copy, 0o755)
        nobody = pwd.getpwnam("nobody")
        root_program, cases.program = cases.program, copy
        cases.refuses("a directory without permission", words, locked,
                      prefix=["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"])
        cases.program = root_program
        os.unlink(copy)
    else:
        cases.refuses("a directory without permission", words, locked)


def ports(cases):
    for name in ("resp", "raft", "http"):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            cases.refuses(f"a used {name} port", ["--dir", cases.data(f"used-{name}")] + cases.addresses(**{name: port}), str(port))


def configuration(cases):
    def with_file(text, name):
        return ["--dir", cases.data("unused"), "--config", cases.file(name, text)] + cases.addresses()
    missing = cases.data("missing.toml")
    cases.refuses("a configuration that is not there", ["--config", missing] + cases.addresses(), missing)
    cases.refuses("a configuration that is a directory", ["--config", cases.directory] + cases.addresses(), cases.directory)
    cases.refuses("an unknown key", with_file("no-such-key = 1\n", "unknown.toml"), "no-such-key")
    cases.refuses("a value of the wrong type", with_file('loops = "many"\n', "type.toml"), "loops")
    cases.refuses("text that is no TOML", with_file("loops = = 3\n[[[\n", "broken.toml"))


def second_server(cases, options):
    server = Server(options.server, cases.data("first"))
    with server:
        data = os.path.join(server.directory, "data")
        cases.refuses("a second server on the same directory", ["--dir", data] + cases.addresses(), data)
        check_equal(server.connect().command("PING"), "PONG", "the first server, after a second one tried")
        check_equal(server.terminate(), 0, "exit status of the first server after SIGTERM")
    # The lock goes with the process, also after kill -9.
    server.start()
    server.kill()
    server.start()
    server.kill()


def good_words(cases):
    for word in ("--help", "--version"):
        done = subprocess.run([cases.program, word], stdin=subprocess.DEVNULL, capture_output=True, timeout=END_SECONDS, check=False)
        check_equal(done.returncode, 0, f"exit status of {word}")
        check(done.stdout.strip(), f"{word} printed nothing on stdout")
    help_text = subprocess.run([cases.program, "--help"], capture_output=True, timeout=END_SECONDS, check=False).stdout.decode()
    for option in ("--config", "--id", "--dir", "--resp-addr", "--raft-addr", "--http-addr", "--cluster", "--join", "--loops", "--value-threshold"):
        check(option in help_text, f"--help does not show {option}")
    for default in ("127.0.0.1:6379", "127.0.0.1:7379", "127.0.0.1:8379", "1024"):
        check(default in help_text, f"--help does not show the default {default}")


def configured(cases, options):
    """What is broken above works when it is right: a configuration file that names the ports."""
    port, raft, http = free_ports(3)
    path = cases.file("good.toml", f'dir = "{cases.data("good")}"\nresp-addr = "127.0.0.1:{port}"\nraft-addr = "127.0.0.1:{raft}"\n'
                                   f'http-addr = "127.0.0.1:{http}"\n')

    class Configured(Server):
        def command_line(self):
            self.port = port
            return [self.program, "--config", path]
    with Configured(options.server, cases.data("good-log")) as server:
        check_equal(server.connect().command("PING"), "PONG", "a server that was configured by a file")


def main(options, directory):
    if "redis-server" in options.server:
        raise suite.Failure("this suite is about alfheimdb's own words: --server must name it")
    check(os.path.exists(options.server), f"no server at {options.server}: build it first")
    cases = Cases(options.server, directory)
    good_words(cases)
    command_lines(cases)
    directories(cases)
    ports(cases)
    configuration(cases)
    second_server(cases, options)
    configured(cases, options)
    print(f"cli_errors_test: {cases.count} refusals, each with status 1 and one line")


if __name__ == "__main__":
    suite.main(main, suite.parser(__doc__).parse_args())
