"""harness/suite: how a suite takes its arguments, keeps its files and says that it failed.

A suite is a script: exit status 0 means that everything held; 1 means that it did not, and the
last lines say what, with the seed and the one command that shows it again.
"""

import argparse
import os
import random
import shlex
import shutil
import sys
import tempfile
import time
import traceback

REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DEFAULT_SERVER = os.path.join(REPOSITORY, "build", "release", "alfheimdb")


class Failure(Exception):
    """The system under test broke a promise. The text is all that a reader needs."""


def check(condition, message):
    if not condition:
        raise Failure(message() if callable(message) else message)


def check_equal(found, expected, what):
    if found != expected:
        raise Failure(f"{what}: found {shorten(found)}, expected {shorten(expected)}")


def check_counter(name, final, told, missing):
    """That it is `final` fits the increments whose answers were `told`, and the `missing`, which may have been done."""
    check(len(told) == len(set(told)), f"{name}: two increments were answered alike")
    check(len(told) <= final <= len(told) + missing,
          f"{name} is {final}: {len(told)} increments were acknowledged, {missing} may have been done")


def shorten(value, limit=200):
    text = repr(value)
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text)} characters)"


def poll(condition, what, seconds=10.0, pause=0.005):
    """Asks until the condition holds; a bounded wait, never a guess at how long something takes."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise Failure(f"{what}: not within {seconds} s")
        time.sleep(pause)


def wait_until(moment):
    """Lets time itself pass (for expiry), not as a substitute for a signal."""
    while True:
        rest = moment - time.monotonic()
        if rest <= 0:
            return
        time.sleep(rest)


def parser(description):
    arguments = argparse.ArgumentParser(description=description)
    arguments.add_argument("--server", default=os.environ.get("ALF_SERVER", DEFAULT_SERVER),
                           help="the program under test: alfheimdb, or redis-server as a stand-in")
    arguments.add_argument("--full", action="store_true", help="the long form (make soak)")
    arguments.add_argument("--short", action="store_true", help="the short form (the default)")
    arguments.add_argument("--seed", type=int, default=None, help="makes the run repeatable")
    arguments.add_argument("--keep", action="store_true", help="keep the temporary files")
    return arguments


def replay_command(options):
    """This run as one command line, the seed spelled out."""
    words = []
    arguments = iter(sys.argv[1:])
    for word in arguments:
        if word == "--seed":
            next(arguments, None)
        elif not word.startswith("--seed=") and word != "--server" and not word.startswith("--server="):
            words.append(word)
        elif word == "--server":
            next(arguments, None)
    words += ["--seed", str(options.seed), "--server", options.server]
    return shlex.join(["/usr/bin/python3", os.path.relpath(sys.argv[0])] + words)


def main(run, options):
    """Runs `run(options, directory)`; turns its outcome into an exit status and a last word."""
    if options.seed is None:
        options.seed = random.SystemRandom().randrange(1 << 32)
    name = os.path.splitext(os.path.basename(sys.argv[0]))[0]
    directory = tempfile.mkdtemp(prefix=f"alf-{name}-")
    started = time.monotonic()
    keep = options.keep
    status = 1
    try:
        run(options, directory)
        status = 0
        print(f"{name}: passed in {time.monotonic() - started:.1f} s (seed {options.seed})", flush=True)
    except Failure as failure:
        keep = True
        print(f"\n{name}: FAILED after {time.monotonic() - started:.1f} s", flush=True)
        print(f"  {failure}")
        print(f"  files:  {directory}")
        print(f"  replay: {replay_command(options)}", flush=True)
    except BaseException:
        keep = True
        traceback.print_exc(file=sys.stdout)
        print(f"\n{name}: BROKE (the suite itself, or the server left it no way on)", flush=True)
        print(f"  files:  {directory}")
        print(f"  replay: {replay_command(options)}", flush=True)
    finally:
        if not keep:
            shutil.rmtree(directory, ignore_errors=True)
    # Client threads that hang on a socket must not keep a finished suite alive.
    sys.stdout.flush()
    os._exit(status)
