"""bench/parts_reads: random GET of 16 KiB values from four times as much data as memory, against fio.

Memory is bounded without privileges: each round starts a server, asks the kernel to forget its files,
and reads at most as much as a quarter of the data, so never more than a quarter can be cached. fio reads
a file of the same size on the same disk, around the cache, at queue depth 32.
"""

import json
import os
import shutil
import subprocess

import client
import machine
import stats
import systems
from harness.suite import Failure

GIB = 1 << 30
MEMORY_BYTES, TIMES_MEMORY, VALUE_BYTES = 1 * GIB, 4, 16 << 10
CLIENTS = 64
GUESS_REQUESTS = 2000
FIO_SECONDS_MAX = 600


def run(bench):
    count = max(1000, int(MEMORY_BYTES * bench.scale) * TIMES_MEMORY // VALUE_BYTES)
    if not bench.without_fio:
        need_fio()
    bench.note(f"reads  loading {count} values of {VALUE_BYTES} bytes")
    bench.stand.clear("reads")
    server = bench.stand.server(systems.ALFHEIMDB, name="reads")
    with server:
        client.load(server.port, client.sets(0, count, VALUE_BYTES))
        server.stop()
    figures = {}
    requests = None
    for round_number in range(bench.rounds):
        bench.note(f"reads  round {round_number + 1}/{bench.rounds}")
        if requests is None:
            guess = min(GUESS_REQUESTS, count // TIMES_MEMORY)
            requests = min(int(read(server, count, guess, {}) * bench.seconds), count // TIMES_MEMORY)
            requests = max(requests, CLIENTS)
        read(server, count, requests, figures)
        if not bench.without_fio:
            figures.setdefault("fio reads/s", []).append(fio(bench, count * VALUE_BYTES))
    bench.stand.clear("reads")
    if not bench.without_fio:
        figures["alfheimdb/fio"] = stats.ratios(figures["alfheimdb reads/s"], figures["fio reads/s"])
    bench.finish("reads", {"values": count, "requests": requests}, figures)


def read(server, count, requests, figures):
    with server:
        server.settle()
        machine.drop_cached_files(server.directory)
        before, cpu_before = server.read_bytes(), server.cpu_seconds()
        measured = client.benchmark(server.port, "get", requests=requests, clients=CLIENTS, keys=count)
        device = server.read_bytes() - before
        figures.setdefault("alfheimdb reads/s", []).append(measured.rate)
        figures.setdefault("alfheimdb p99 ms", []).append(measured.p99_ms)
        cpu = server.cpu_seconds() - cpu_before
        figures.setdefault("alfheimdb CPU s/M", []).append(cpu * 1e6 / requests)
        figures.setdefault("alfheimdb device bytes per byte read", []).append(device / (requests * VALUE_BYTES))
        server.stop()
    return measured.rate


def need_fio():
    if shutil.which("fio"):
        return
    print("bench: fio is missing; installing Debian's (scripts/deps --also fio), or leave it out with --without-fio",
          flush=True)
    done = subprocess.run([os.path.join(machine.REPOSITORY, "scripts", "deps"), "--also", "fio"], check=False)
    if done.returncode != 0 or not shutil.which("fio"):
        raise Failure("fio could not be installed; --without-fio leaves the comparison out")


def fio(bench, size_bytes):
    """Reads per second; the file is written in the first round."""
    command = ["fio", "--name=disk", f"--filename={os.path.join(bench.directory, 'fio.data')}", f"--size={size_bytes}",
               "--rw=randread", "--bs=16k", "--iodepth=32", "--ioengine=libaio", "--direct=1", "--randrepeat=0",
               "--time_based", f"--runtime={max(1, round(bench.seconds))}", "--output-format=json"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=FIO_SECONDS_MAX, check=False)
    except subprocess.TimeoutExpired:
        raise Failure(f"fio: not finished within {FIO_SECONDS_MAX} s") from None
    if done.returncode != 0:
        raise Failure(f"fio: exit status {done.returncode}: {(done.stderr or done.stdout)[-400:]}")
    return parse_fio(done.stdout)


def parse_fio(text):
    # Notes may stand before the document.
    return json.loads(text[text.index("{"):])["jobs"][0]["read"]["iops"]
