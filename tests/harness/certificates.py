"""harness/certificates: an authority of a test's own, and the options of a node that it vouches for.

Made with the openssl program.
"""

import os
import shutil
import subprocess

from .suite import Failure

KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]


def openssl(*words):
    program = shutil.which("openssl")
    if program is None:
        raise Failure("there is no openssl program to make certificates with")
    made = subprocess.run([program, *words], capture_output=True, text=True, check=False)
    if made.returncode != 0:
        raise Failure(f"openssl {' '.join(words)}: {made.stderr}")


class Authority:
    def __init__(self, directory, name="authority"):
        self.directory = os.path.join(directory, name)
        os.makedirs(self.directory)
        openssl("req", "-x509", *KEY, "-keyout", self.path("ca.key"), "-out", self.path("ca.pem"), "-days", "2",
                "-subj", f"/CN={name}")

    def path(self, name):
        return os.path.join(self.directory, name)

    def options(self, name, host="127.0.0.1"):
        """The command line's, with a certificate of that node's own, which peers reach at this address."""
        openssl("req", *KEY, "-keyout", self.path(f"{name}.key"), "-out", self.path(f"{name}.csr"), "-subj", f"/CN={name}",
                "-addext", f"subjectAltName=IP:{host}")
        openssl("x509", "-req", "-in", self.path(f"{name}.csr"), "-CA", self.path("ca.pem"), "-CAkey", self.path("ca.key"),
                "-CAcreateserial", "-days", "2", "-copy_extensions", "copy", "-out", self.path(f"{name}.pem"))
        return ["--raft-tls-cert", self.path(f"{name}.pem"), "--raft-tls-key", self.path(f"{name}.key"),
                "--raft-tls-ca", self.path("ca.pem")]
