#!/usr/bin/python3
"""differential: random commands to the server under test and to redis-server, replies compared.

Two connections to each server take turns as the seed says; a pipeline is sent whole. On a mismatch
the run is cut down to few commands that still show it, and saved for --replay.
"""

import os
import pickle
import random
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]

from exchange import Exchange, Mismatch  # noqa: E402
from workload import Workload  # noqa: E402

from harness import suite  # noqa: E402
from harness.server import Server  # noqa: E402


class Run:
    def __init__(self, options, directory):
        self.options = options
        self.reference = Server("redis-server", os.path.join(directory, "reference"), durable=False)
        self.directory = directory
        self.incarnations = 0
        self.subject = None

    def servers_alive(self):
        if self.subject is None or not self.subject.alive():
            self.incarnations += 1
            self.subject = Server(self.options.server, os.path.join(self.directory, f"subject{self.incarnations}"),
                                  extra=self.options.server_option)
            self.subject.start()
        if not self.reference.alive():
            self.reference.start()

    def exchange(self, protocol):
        self.servers_alive()
        return Exchange([self.subject.port, self.reference.port], protocol)

    def stop(self):
        for server in (self.subject, self.reference):
            if server:
                server.kill()

    def try_steps(self, steps, protocol):
        """The index of the failing step and its mismatch, or None."""
        exchange = None
        index = -1
        try:
            exchange = self.exchange(protocol)
            for index, step in enumerate(steps):
                exchange.run(step)
        except (Mismatch, OSError) as mismatch:
            return index, mismatch
        finally:
            if exchange:
                exchange.close()
        return None

    def check(self, protocol, commands):
        rng = random.Random(f"{self.options.seed}/{protocol}")
        exchange = self.exchange(protocol)
        began = time.monotonic()
        done = []
        try:
            for step in Workload(rng, protocol, self.options.exclude).steps():
                done.append(step)
                exchange.run(step)
                if exchange.command_count >= commands:
                    break
        except (Mismatch, OSError) as mismatch:
            exchange.close()
            self.explain(done, protocol, mismatch)
        exchange.close()
        seconds = time.monotonic() - began
        print(f"differential: RESP{protocol}: {exchange.command_count} commands in {seconds:.1f} s "
              f"({exchange.command_count / seconds:,.0f}/s), {exchange.error_count} error replies, "
              f"{exchange.ruled_count} compared by rule, {exchange.undecided_count} undecided by time", flush=True)

    def explain(self, steps, protocol, mismatch):
        print(f"differential: a mismatch at step {len(steps)} (RESP{protocol}): {mismatch}; cutting it down…", flush=True)
        small = minimise(lambda tried: self.try_steps(tried, protocol), steps, self.options.minimise_seconds)
        again = self.try_steps(small, protocol) if small else None
        if again:
            index, mismatch = again
            steps = small[:index + 1]
        path = os.path.join(self.directory, "steps.pickle")
        with open(path, "wb") as file:
            pickle.dump((protocol, steps), file)
        lines = [f"{mismatch}" + ("" if again else "  (not seen again when replayed: it may hang on timing)")]
        lines += describe(steps, mismatch)
        lines += [f"  replay these steps: /usr/bin/python3 {os.path.relpath(__file__)} --replay {path} --server {self.options.server}"]
        raise suite.Failure("\n".join(lines))


def describe(steps, mismatch):
    lines = []
    for step in steps:
        if step["kind"] in ("batch", "peek"):
            lines += [f"  {'AB'[step['connection']]}> {show(command)}" for command in step["commands"]] + ["  --"]
        else:
            lines.append("  " + suite.shorten(step, 600))
    if isinstance(mismatch, Mismatch):
        if steps and steps[-1]["kind"] in ("batch", "peek"):
            commands = steps[-1]["commands"]
            if mismatch.command < len(commands):
                lines.append(f"  at:        {show(commands[mismatch.command])}   (number {mismatch.command + 1} of the last pipeline)")
        lines += [f"  found:     {suite.shorten(mismatch.subject, 600)}", f"  reference: {suite.shorten(mismatch.reference, 600)}"]
    shown = lines if len(lines) <= 45 else [f"  … {len(lines) - 45} lines before"] + lines[-45:]
    return shown


def show(command):
    return suite.shorten(command, 300) if isinstance(command, bytes) else " ".join(suite.shorten(word, 120)[1:] for word in command)


def minimise(attempt, steps, seconds):
    """Delta debugging: first the shortest tail that fails, then fewer steps, then fewer commands."""
    deadline = time.monotonic() + seconds

    def fails(candidate):
        return time.monotonic() < deadline and attempt(candidate) is not None

    length = 1
    while length < len(steps) and not fails(steps[-length:]):
        length *= 3
    steps = steps[-length:]
    if time.monotonic() >= deadline or not fails(steps):
        return None
    steps = reduce_list(steps, fails)
    for index in range(len(steps) - 1, -1, -1):
        if steps[index]["kind"] in ("batch", "peek"):
            def with_commands(commands, index=index):
                return steps[:index] + [dict(steps[index], commands=commands)] + steps[index + 1:]
            kept = reduce_list(steps[index]["commands"], lambda commands: fails(with_commands(commands)))
            steps = with_commands(kept)
    return steps


def reduce_list(items, fails):
    size = max(1, len(items) // 2)
    while True:
        index, shrunk = 0, False
        while index < len(items) and len(items) > 1:
            candidate = items[:index] + items[index + size:]
            if candidate and fails(candidate):
                items, shrunk = candidate, True
            else:
                index += size
        if size == 1 and not shrunk:
            return items
        size = max(1, size // 2)


def main(options, directory):
    run = Run(options, directory)
    try:
        if options.replay:
            with open(options.replay, "rb") as file:
                protocol, steps = pickle.load(file)
            outcome = run.try_steps(steps, protocol)
            if outcome:
                raise suite.Failure("\n".join([str(outcome[1])] + describe(steps[:outcome[0] + 1], outcome[1])))
            return
        protocols = {"2": [2], "3": [3], "both": [2, 3]}[options.resp]
        for protocol in protocols:
            run.check(protocol, options.commands // len(protocols))
    finally:
        run.stop()


def arguments():
    parser = suite.parser(__doc__)
    parser.add_argument("--commands", type=int, default=None, help="how many in all (short: 40,000; full: 400,000)")
    parser.add_argument("--resp", choices=["2", "3", "both"], default="both")
    parser.add_argument("--replay", help="steps saved by a failing run")
    parser.add_argument("--exclude", action="append", default=[], help="a maker of commands.py to leave out")
    parser.add_argument("--server-option", action="append", default=[], help="passed on to the server under test")
    parser.add_argument("--minimise-seconds", type=float, default=60.0)
    options = parser.parse_args()
    if options.commands is None:
        options.commands = 400000 if options.full else 40000
    return options


if __name__ == "__main__":
    chosen = arguments()
    suite.main(main, chosen)
