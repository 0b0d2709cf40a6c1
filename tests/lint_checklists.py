#!/usr/bin/python3
"""tests/lint_checklists.py: docs/checklists.md tells the truth about where its names are.

Each test that it maps names to exists, and each name in bold stands in the text of a test or a scenario.
"""

import glob
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ROW = re.compile(r"^\| (.*?) \| (.*) \|$")


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def problems():
    tests = [read(path) for path in glob.glob(os.path.join(ROOT, "src", "**", "*_test.cc"), recursive=True)]
    scenarios = {os.path.basename(path)[:-4]: read(path) for path in glob.glob(os.path.join(ROOT, "tests", "scenarios", "raft", "*.txt"))}
    text = "\n".join(tests + list(scenarios.values()))
    # `Name.Sentence` may go on with an underscore and the names that it is for.
    known = {f"{suite}.{name}" for suite, name in re.findall(r"\bTEST(?:_[FP])?\(\s*(\w+),\s*(\w+)\)", text)}
    known |= {name.split("_")[0] for name in known}
    text, count = text.lower(), 0
    for line in read(os.path.join(ROOT, "docs", "checklists.md")).splitlines():
        row = ROW.match(line)
        if row is None or row.group(1) in ("our test", "---"):
            continue
        count += 1
        for place in re.findall(r"`([^`]+)`", row.group(1)):
            if place.startswith("scenario "):
                is_found = place[len("scenario "):] in scenarios
            elif "/" in place:
                is_found = os.path.exists(os.path.join(ROOT, place))
            else:
                is_found = place in known
            if not is_found:
                yield f"no test: {place}"
        for name in re.findall(r"\*\*(\w+)\*\*", row.group(2)):
            if name.lower() not in text:
                yield f"in bold, and in no test: {name}"
    if count < 100:
        yield f"only {count} rows were understood"


if __name__ == "__main__":
    found = list(problems())
    print("\n".join(f"docs/checklists.md: {one}" for one in found))
    sys.exit(1 if found else 0)
