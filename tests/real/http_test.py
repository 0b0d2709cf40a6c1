#!/usr/bin/python3
"""http_test: /metrics is Prometheus text, /health and /leader answer for the group of one."""

import http.client
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness import suite  # noqa: E402
from harness.server import Server  # noqa: E402
from harness.suite import Failure, check, check_equal  # noqa: E402

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\\\|\\"|\\n)*"'
SAMPLE = re.compile(rf"^({NAME})(?:\{{((?:{LABEL})?(?:,{LABEL})*,?)\}})? (\S+)(?: -?\d+)?$")
TYPES = {"counter", "gauge", "histogram", "summary", "untyped"}
SUFFIXES = ("_bucket", "_sum", "_count")


def get(server, path, method="GET"):
    connection = http.client.HTTPConnection("127.0.0.1", server.http_port, timeout=10)
    try:
        connection.request(method, path)
        reply = connection.getresponse()
        return reply.status, reply.getheader("Content-Type") or "", reply.read().decode()
    finally:
        connection.close()


def parse(text):
    """{name with labels: value}; a failure where a line is not Prometheus text."""
    check(text.endswith("\n"), "/metrics does not end with a newline")
    types, samples = {}, {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line or line.startswith("# HELP "):
            continue
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            check(kind in TYPES and name not in types, f"/metrics line {number}: {line!r}")
            types[name] = kind
            continue
        match = SAMPLE.match(line)
        check(match, f"/metrics line {number} is no sample: {line!r}")
        name, labels, value = match.groups()
        family = next((name[:-len(s)] for s in SUFFIXES if name.endswith(s) and name[:-len(s)] in types), name)
        check(family in types, f"/metrics line {number}: {name} has no TYPE before it")
        key = f"{name}{{{labels or ''}}}"
        check(key not in samples, f"/metrics line {number}: {key} appears twice")
        samples[key] = float(value)
    check_histograms(types, samples)
    return samples


def check_histograms(types, samples):
    """Buckets grow, and the last is the count."""
    for name in [name for name, kind in types.items() if kind == "histogram"]:
        series = {}
        for key, value in samples.items():
            if key.startswith(name + "_bucket{"):
                bound = re.search(r'le="([^"]*)"', key)
                check(bound, f"/metrics: {key} without le")
                rest = ",".join(part for part in key[key.index("{") + 1:-1].split(",") if part and not part.startswith('le="'))
                series.setdefault(rest, []).append((float(bound.group(1)), value))
        for labels, buckets in series.items():
            values = [value for _, value in sorted(buckets)]
            check(values == sorted(values), f"/metrics: the buckets of {name}{{{labels}}} shrink: {sorted(buckets)}")
            check_equal(values[-1], samples.get(f"{name}_count{{{labels}}}"), f"/metrics: the last bucket of {name}{{{labels}}}")


def main(options, directory):
    if "redis-server" in options.server:
        raise Failure("redis-server has no HTTP: --server must name alfheimdb")
    with Server(options.server, os.path.join(directory, "server")) as server:
        for path in ("/health", "/leader"):
            status, _, body = get(server, path)
            check_equal(status, 200, f"{path} (it said {body[:200]!r}); status")
        status, kind, text = get(server, "/metrics")
        check_equal(status, 200, "/metrics; status")
        check(kind.startswith("text/plain"), f"/metrics; content type {kind!r}, expected text/plain")
        before = parse(text)
        check(len(before) >= 10, f"/metrics has only {len(before)} samples")
        connection = server.connect()
        connection.pipeline([["SET", f"k{i}", "v" * 2000] for i in range(1000)] + [["GET", "k1"]] * 500)
        after = parse(get(server, "/metrics")[2])
        check(set(before) <= set(after), f"/metrics: samples vanished: {sorted(set(before) - set(after))[:5]}")
        grown = [key for key in before if after[key] - before[key] >= 1000]
        check(grown, "/metrics: no figure grew by the 1,500 commands that were served")
        check_equal(get(server, "/nothing-here")[0], 404, "an unknown path; status")
        check_equal(connection.command("PING"), "PONG", "PING after the HTTP requests")
        print(f"http_test: {len(after)} samples, {len(grown)} of them grew with the load")


if __name__ == "__main__":
    suite.main(main, suite.parser(__doc__).parse_args())
