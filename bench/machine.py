"""bench/machine: what the kernel says: of a process, of a file system, of this machine.

Facts of the machine are those that explain figures; its name and its paths stay out.
"""

import os
import platform
import subprocess

from harness.suite import Failure

REPOSITORY = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
# A sync to these costs nothing, so what was measured there would say nothing about durability.
MEMORY_FILE_SYSTEMS = ("tmpfs", "ramfs", "devtmpfs")


def read(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


# --- the processors ---------------------------------------------------------------------------

def cpu_ticks():
    """(all, stolen) since the machine started: stolen ones the hypervisor gave to another machine."""
    return parse_cpu_line(read("/proc/stat"))


def parse_cpu_line(stat):
    fields = [int(word) for word in stat.splitlines()[0].split()[1:9]]
    return sum(fields), fields[7]


def stolen_share(before, after):
    return (after[1] - before[1]) / max(after[0] - before[0], 1)


# --- a process --------------------------------------------------------------------------------

def cpu_seconds(pid):
    return parse_cpu_ticks(read(f"/proc/{pid}/stat")) / TICKS_PER_SECOND


def parse_cpu_ticks(stat):
    # The name, in parentheses, may hold anything; fields are counted from behind it.
    fields = stat[stat.rindex(")") + 2:].split()
    return int(fields[11]) + int(fields[12])


def io_bytes(pid, field="write_bytes"):
    """Bytes to or from the device; of a zombie too, whose threads' sums are all there."""
    return parse_colon_lines(read(f"/proc/{pid}/io"))[field]


def memory_bytes(pid, field):
    return parse_colon_lines(read(f"/proc/{pid}/status"))[field] * 1024


def parse_colon_lines(text):
    """name: number [unit], one a line; the lines whose value is no number are left out."""
    values = {}
    for line in text.splitlines():
        name, _, rest = line.partition(":")
        words = rest.split()
        if words and words[0].isdigit():
            values[name] = int(words[0])
    return values


# --- a file system ----------------------------------------------------------------------------

def file_system_of(path):
    """Type of the file system that holds the path: of the longest mount point above it."""
    return find_file_system(read("/proc/self/mountinfo"), os.path.realpath(path))


def find_file_system(mountinfo, path):
    found, found_length = "unknown", -1
    for line in mountinfo.splitlines():
        before, separator, after = line.partition(" - ")
        if not separator:
            continue
        point = before.split()[4].replace("\\040", " ")
        is_above = path == point or path.startswith(point.rstrip("/") + "/")
        if is_above and len(point) >= found_length:  # of equals, the later mount covers
            found, found_length = after.split()[0], len(point)
    return found


def check_disk(directory):
    """The type of the directory's file system, or a failure where it is no disk."""
    kind = file_system_of(directory)
    if kind in MEMORY_FILE_SYSTEMS:
        raise Failure(f"the data directory lies in memory ({kind}): name one on a disk with --dir")
    return kind


def drop_cached_files(directory):
    """Asks the kernel to forget the clean pages of all files below; needs no privilege."""
    for parent, _, names in os.walk(directory):
        for name in names:
            try:
                file = os.open(os.path.join(parent, name), os.O_RDONLY)
            except OSError:
                continue
            try:
                os.fsync(file)
                os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(file)


def size_on_disk(directory):
    total = 0
    for parent, _, names in os.walk(directory):
        for name in names:
            try:
                total += os.stat(os.path.join(parent, name)).st_blocks * 512
            except FileNotFoundError:  # a running server may remove its files meanwhile
                pass
    return total


# --- this machine -----------------------------------------------------------------------------

def first_line(command):
    try:
        done = subprocess.run(command, capture_output=True, timeout=30, check=False, text=True)
    except OSError:
        return "not found"
    return done.stdout.strip().split("\n")[0]


def commit():
    return first_line(["git", "-C", REPOSITORY, "describe", "--always", "--dirty"])


def redis_version(line):
    """Without the build's id: "Redis server v=7.0.15 sha=…" or "redis-benchmark 7.0.15"."""
    return next((word.removeprefix("v=") for word in line.split() if word.removeprefix("v=")[:1].isdigit()),
                line)


def facts(directory, server):
    cpu = [line.partition(":")[2].strip() for line in read("/proc/cpuinfo").splitlines()
           if line.startswith("model name")]
    memory_kib = parse_colon_lines(read("/proc/meminfo"))["MemTotal"]
    return {
        "cores": len(os.sched_getaffinity(0)),
        "cpu": cpu[0] if cpu else platform.machine(),
        "memory_mib": memory_kib // 1024,
        "kernel": platform.release(),
        "file_system": file_system_of(directory),
        "load_before": round(os.getloadavg()[0], 2),
        "alfheimdb": first_line([server, "--version"]),
        "commit": commit(),
        "redis-server": redis_version(first_line(["redis-server", "--version"])),
        "redis-benchmark": redis_version(first_line(["redis-benchmark", "--version"])),
    }


def facts_line(machine):
    return (f"{machine['cores']} cores ({machine['cpu']}), {machine['memory_mib']} MiB, {machine['file_system']}, "
            f"kernel {machine['kernel']}; alfheimdb {machine['commit']}, redis-server {machine['redis-server']}")
