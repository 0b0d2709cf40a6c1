"""bench/parts_micro: the rooms' own benchmarks (src/*/*_bench.cc), in nanoseconds an operation.

An operation is an item where the benchmark counts items (a request, a command), else one iteration.
"""

import glob
import json
import os
import re
import subprocess

from harness.suite import Failure

SECONDS_MAX = 600
NOT_OF_THE_NAME = re.compile(r"/iterations:\d+|/real_time")  # how it is measured
UNIT_NS = {"ns": 1, "us": 1e3, "ms": 1e6, "s": 1e9}


def run(bench):
    programs = sorted(glob.glob(os.path.join(bench.build, "*_bench")))
    if not programs:
        raise Failure("no *_bench beside the server: cmake --build --preset release --target benches")
    figures = {}
    for round_number in range(bench.rounds):
        for program in programs:
            room = os.path.basename(program).removesuffix("_bench")
            bench.note(f"micro  round {round_number + 1}/{bench.rounds}  {room}")
            for name, nanoseconds in parse(run_program(bench, program)):
                figures.setdefault(f"{room}  {name}  ns", []).append(nanoseconds)
    bench.finish("micro", {}, figures)


def run_program(bench, program):
    command = [program, "--benchmark_format=json", f"--benchmark_min_time={bench.seconds / 5:g}"]
    if bench.only:
        command.append("--benchmark_filter=" + "|".join(bench.only))
    try:
        done = subprocess.run(command, cwd=bench.directory, capture_output=True, text=True, timeout=SECONDS_MAX,
                              check=False)
    except subprocess.TimeoutExpired:
        raise Failure(f"{os.path.basename(program)}: not finished within {SECONDS_MAX} s") from None
    if done.returncode != 0:
        raise Failure(f"{os.path.basename(program)}: exit status {done.returncode}: {done.stderr[-400:]}")
    return done.stdout


def parse(text):
    """[(name, nanoseconds an operation)] of Google Benchmark's JSON."""
    if "{" not in text:  # nothing fits the filter
        return []
    found = []
    for entry in json.loads(text[text.index("{"):])["benchmarks"]:
        if entry.get("error_occurred"):
            raise Failure(f"{entry['name']}: {entry.get('error_message')}")
        name = NOT_OF_THE_NAME.sub("", entry["name"])
        if "items_per_second" in entry:
            found.append((name, 1e9 / entry["items_per_second"]))
        else:
            found.append((name, entry["cpu_time"] * UNIT_NS[entry["time_unit"]]))
    return found
