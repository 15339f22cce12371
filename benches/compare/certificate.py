"""The certificate of a run: self-signed, P-256, for the hosts of the scenarios under TLS."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from process import Failure
from scenario import PLAIN_HOST


@dataclass(frozen=True)
class Certificate:
    cert: Path
    key: Path
    both: Path  # as HAProxy wants it

    @classmethod
    def of(cls, folder: Path, host: str = PLAIN_HOST) -> "Certificate":
        """The folder's, made if there is none yet."""
        made = cls(folder / "cert.pem", folder / "key.pem", folder / "both.pem")
        if not made.both.exists():
            made._make(host)
        return made

    def _make(self, host: str) -> None:
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30"]
        command += ["-subj", f"/CN={host}", "-addext", f"subjectAltName=DNS:{host}", "-keyout", str(self.key), "-out", str(self.cert)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise Failure(f"openssl made no certificate: {done.stderr}")
        self.both.write_text(self.cert.read_text() + self.key.read_text())
