"""harness/loop_disk: a disk of a suite's own that can be made to hang.

An ext4 in a file, over a loop device; the suite is root in a mount namespace of its own. While it is
frozen (fsfreeze) whoever writes on it waits, in the kernel, and not even kill -9 ends that.
"""

import os
import subprocess

from .suite import Failure, check

# Thaws when its input ends, so that a suite that is killed leaves nobody waiting.
HOLD = 'fsfreeze --freeze "$1" && { echo frozen; cat >/dev/null; fsfreeze --unfreeze "$1"; }'


class NoLoopMounts(Failure):
    """Not root, or a machine without loop devices."""


def run(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        raise NoLoopMounts(f"{' '.join(command)}: {done.stdout.strip()}")


class LoopDisk:
    def __init__(self, directory, image, mib):
        self.directory, self.holder = directory, None
        with open(image, "wb") as file:
            file.truncate(mib << 20)
        run("mkfs.ext4", "-q", "-m", "0", image)
        os.makedirs(directory, exist_ok=True)
        run("mount", "-t", "ext4", "-o", "loop", image, directory)

    def freeze(self):
        self.holder = subprocess.Popen(["sh", "-c", HOLD, "hold", self.directory], stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        said = self.holder.stdout.readline()
        check(said == "frozen\n", f"fsfreeze {self.directory}: {said.strip()}")

    def thaw(self):
        said, _ = self.holder.communicate()
        check(self.holder.returncode == 0, f"fsfreeze --unfreeze {self.directory}: {said.strip()}")

    def unmount(self):
        """So that the suite can remove its directory; what is there is gone."""
        run("umount", "--lazy", self.directory)
