#!/usr/bin/python3
"""tests/run.py: the suites that drive real processes, by name; one line each, with its seconds.

    tests/run.py                        all, in the short form (what make test runs)
    tests/run.py --full                 all, at the figures of make soak
    tests/run.py real.kill differential --seed 7
    tests/run.py --list

Each suite is also a ctest entry of its own (tests/CMakeLists.txt). What a suite prints is shown
when it fails, or with --verbose.
"""

import argparse
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
PYTHON = "/usr/bin/python3"  # Debian's, which has python3-redis

# name: (script, options of the short form, of the full form, seconds allowed short, full)
SUITES = {
    "differential.resp2": ("differential/differential.py", ["--resp", "2", "--commands", "20000"], ["--resp", "2", "--commands", "200000"], 120, 600),
    "differential.resp3": ("differential/differential.py", ["--resp", "3", "--commands", "20000"], ["--resp", "3", "--commands", "200000"], 120, 600),
    "real.kill": ("real/kill_loop.py", ["--rounds", "20"], ["--rounds", "200"], 240, 2400),
    "real.clients": ("real/clients_test.py", [], [], 300, 900),
    "real.cli_errors": ("real/cli_errors_test.py", [], [], 180, 180),
    "real.http": ("real/http_test.py", [], [], 60, 60),
    "real.full_disk": ("real/full_disk_test.py", [], [], 240, 240),
    "real.big_values": ("real/big_values_test.py", ["--part", "sizes"], ["--part", "sizes"], 180, 1200),
    "real.memory": ("real/big_values_test.py", ["--part", "memory"], ["--part", "memory"], 180, 1200),
    "real.big_values_group": ("real/big_values_test.py", ["--part", "group"], ["--part", "group"], 120, 600),
    "real.load": ("real/load_test.py", ["--part", "bounded"], [], 120, 1800),
    "real.cluster": ("real/cluster_test.py", [], [], 150, 9000),
    "real.cluster_clients": ("real/cluster_clients_test.py", [], [], 180, 900),
    "real.founding": ("real/founding_test.py", [], [], 120, 120),
    "real.grow": ("real/grow_test.py", [], [], 90, 90),
    "real.failover": ("real/failover_test.py", [], [], 120, 3600),
    "real.failover_commands": ("real/failover_commands_test.py", [], [], 120, 120),
    "real.join": ("real/join_test.py", [], [], 120, 7200),
    "real.slow_follower": ("real/slow_follower_test.py", [], [], 120, 900),
    "real.proxy": ("real/proxy_test.py", [], [], 150, 900),
    "real.tls": ("real/tls_test.py", [], [], 90, 90),
    "real.cluster_tls": ("real/cluster_test.py", ["--tls"], ["--tls"], 150, 9000),
    "real.cluster_lease": ("real/cluster_test.py", ["--option=--read-mode=lease"], ["--option=--read-mode=lease"], 150, 9000),
    "real.make_cluster": ("real/make_cluster_test.py", [], [], 120, 120),
    "real.fresh_start": ("real/fresh_start_test.sh", [], [], 120, 2400),
}


def run(name, form, extra, verbose):
    script, short, full, short_seconds, full_seconds = SUITES[name]
    path = os.path.join(HERE, script)
    command = [path] if script.endswith(".sh") else [PYTHON, path]
    command += [f"--{form}"] + (full if form == "full" else short) + extra
    allowed = full_seconds if form == "full" else short_seconds
    began = time.monotonic()
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=None if verbose else subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=allowed, check=False)
        passed, text = done.returncode == 0, done.stdout
    except subprocess.TimeoutExpired as error:
        passed, text = False, (error.stdout or b"") + f"\n{name}: not finished within {allowed} s\n".encode()
    print(f"{'passed' if passed else 'FAILED'}  {name:<22} {time.monotonic() - began:7.1f} s", flush=True)
    if not passed and text:
        sys.stdout.write(text.decode("utf-8", "replace"))
        sys.stdout.flush()
    return passed


def is_meant(name, word):
    """A whole name means that suite alone, though others begin with it."""
    return name == word if word in SUITES else name.startswith(word)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suites", nargs="*", help="names (that suite alone) or beginnings of names; none means all")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--short", action="store_const", dest="form", const="short", default="short")
    form.add_argument("--full", action="store_const", dest="form", const="full")
    parser.add_argument("--server", help="the program under test")
    parser.add_argument("--seed", help="one seed for all")
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    chosen = [name for name in SUITES if not options.suites or any(is_meant(name, word) for word in options.suites)]
    unknown = [word for word in options.suites if not any(is_meant(name, word) for name in SUITES)]
    if options.list or unknown:
        print("\n".join(SUITES))
        if unknown:
            print(f"run.py: no suite begins with {unknown[0]}", file=sys.stderr)
        return 1 if unknown else 0
    extra = (["--server", os.path.abspath(options.server)] if options.server else []) + (["--seed", options.seed] if options.seed else [])
    return 0 if all([run(name, options.form, extra, options.verbose) for name in chosen]) else 1


if __name__ == "__main__":
    sys.exit(main())
