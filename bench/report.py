"""bench/report: what was measured, as a table for people and as JSON for whoever compares later."""

import json
import os

import stats
import systems
from cells import TARGETS

MIB = 1 << 20


class Results:
    """Figures by cell and system, a list over the rounds each."""

    def __init__(self, data=None):
        self.data = data or {}

    def add(self, cell, system, figures):
        of_system = self.data.setdefault(cell, {}).setdefault(system, {})
        for name, value in figures.items():
            of_system.setdefault(name, []).append(value)

    def cells(self):
        return list(self.data)

    def systems(self, cell):
        """In the order of the table, whatever the order in which a round had them."""
        return [system for system in (systems.ALFHEIMDB,) + systems.PEERS if system in self.data[cell]]

    def values(self, cell, system, name):
        return self.data[cell].get(system, {}).get(name, [])

    def spread(self, cell, system, name):
        values = self.values(cell, system, name)
        return stats.Spread(values) if values else None

    def to_json(self):
        return self.data


# --- tables -----------------------------------------------------------------------------------

def columns(head, rows):
    """Lines of a table: the first two columns to the left, figures to the right; None draws a rule."""
    texts = [row for row in rows if row is not None]
    widths = [max(len(row[i]) for row in [head] + texts) for i in range(len(head))]
    lines = []
    for row in [head, None] + rows:
        if row is None:
            lines.append("-" * (sum(widths) + 2 * (len(widths) - 1)))
        else:
            cells = [text.ljust(width) if i < 2 else text.rjust(width)
                     for i, (text, width) in enumerate(zip(row, widths))]
            lines.append("  ".join(cells).rstrip())
    return lines


def throughput_table(results):
    """The one table: medians, quartiles in parentheses; a ratio is AlfheimDB's rate over that system's."""
    head = ["cell", "system", "requests/s", "AlfheimDB / it", "p99 ms", "CPU s/M", "device B/user B", "peak MiB"]
    rows = []
    for cell in results.cells():
        if rows:
            rows.append(None)
        for number, system in enumerate(results.systems(cell)):
            rows.append([cell if number == 0 else "", systems.LABELS[system]] + figures_of_row(results, cell, system))
    return columns(head, rows)


def figures_of_row(results, cell, system):
    rate = results.spread(cell, system, "rate")
    ratio = None
    if system != systems.ALFHEIMDB and results.values(cell, systems.ALFHEIMDB, "rate"):
        ratio = stats.Spread(stats.ratios(results.values(cell, systems.ALFHEIMDB, "rate"),
                                          results.values(cell, system, "rate")))
    device = results.spread(cell, system, "device_bytes_per_user_byte")
    return [stats.with_quartiles(rate), stats.with_quartiles(ratio),
            stats.number(results.spread(cell, system, "p99_ms").median),
            stats.number(results.spread(cell, system, "cpu_seconds_per_million").median),
            stats.number(device.median if device else None),
            stats.number(results.spread(cell, system, "peak_bytes").median / MIB)]


def figures_table(figures):
    """The table of the other parts: a figure a line."""
    rows = [[name, "", stats.with_quartiles(stats.Spread(values))] for name, values in figures.items()]
    return columns(["figure", "", "median (quartiles)"], rows)


def verdicts(part, figures):
    """(target, spread, verdict) for the targets of a part that were measured."""
    found = []
    for target in TARGETS:
        if target.part == part and figures.get(target.figure):
            spread = stats.Spread(figures[target.figure])
            found.append((target, spread, stats.judge(spread, target.sign, target.bound)))
    return found


def target_table(judged):
    rows = [[target.text, verdict, f"{target.sign} {stats.number(target.bound)}", stats.with_quartiles(spread)]
            for target, spread, verdict in judged]
    return columns(["target", "verdict", "wanted", "found"], rows)


def tables(record):
    """All that is printed of a record, which may come from a file of an earlier day."""
    lines = []
    if record["part"] == "throughput":
        lines += throughput_table(Results(record["results"]))
    elif record["figures"]:
        lines += figures_table(record["figures"])
    judged = verdicts(record["part"], record["figures"])
    if judged:
        lines += [""] + target_table(judged)
        if record["options"]["scale"] != 1:
            lines.append(f"(measured at --scale {record['options']['scale']}: targets are meant at scale 1)")
    return lines


# --- files ------------------------------------------------------------------------------------

ROUNDS_TO_KEEP = 3
SECONDS_TO_KEEP = 1.5
LOAD_QUIET = 0.5  # of the machine, before the run
LOCAL = "local"  # below the results; git ignores it


def is_whole(record):
    """Whether a run measured all that its part has, in full and alone: others are looks, and must not replace its files."""
    options = record["options"]
    return not options["only"] and not options["systems"] and options["scale"] == 1 \
        and options["rounds"] >= ROUNDS_TO_KEEP and options["rounds_done"] == options["rounds"] \
        and options["seconds"] >= SECONDS_TO_KEEP and record["machine"]["load_before"] <= LOAD_QUIET


def file_name(record):
    """By day, part and the machine's shape; never its name."""
    facts = record["machine"]
    return f"{record['date']}-{record['part']}-{facts['cores']}cores-{facts['file_system']}.json"


def write(record, directory):
    """The path of the file, in `directory` or its local/."""
    if not is_whole(record):
        directory = os.path.join(directory, LOCAL)
    os.makedirs(directory, exist_ok=True)
    path = os.path.join(directory, file_name(record))
    with open(path, "w", encoding="utf-8") as file:
        json.dump(rounded(record), file, indent=1)
        file.write("\n")
    return path


def rounded(value):
    """Five significant digits: more would only make differences between runs hard to read."""
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, dict):
        return {name: rounded(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(inner) for inner in value]
    return value
