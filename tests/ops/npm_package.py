"""A file of a package of npm's registry, pinned by version and hash."""

import base64
import hashlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from deployment import ROOT

TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))


def file_of(name, version, integrity, member):
    """The text of a file in a package: of a copy kept from before, else fetched. It is what `integrity` says, or nothing."""
    kept = TARGET / f"{name}-{version}.tgz"
    package = kept.read_bytes() if kept.exists() else b""
    if not is_it(package, integrity):
        package = fetched(name, version)
        if not is_it(package, integrity):
            sys.exit(f"npm: what the registry has as {name} {version} is not what it was: {len(package)} bytes")
        kept.parent.mkdir(parents=True, exist_ok=True)
        part = kept.with_suffix(".part")
        part.write_bytes(package)
        part.replace(kept)
    with tarfile.open(fileobj=io.BytesIO(package)) as archive:
        return archive.extractfile(f"package/{member}").read().decode()


def is_it(package, integrity):
    """As in the `dist.integrity` of the registry, and in lock files."""
    return integrity == "sha512-" + base64.b64encode(hashlib.sha512(package).digest()).decode()


def fetched(name, version):
    """By npm where there is one, which knows its registry, proxies and tokens; else by curl, from the registry of the environment.
    Debian's npm brings some hundred packages with it: too many for one file."""
    with tempfile.TemporaryDirectory() as folder:
        registry = os.environ.get("npm_config_registry", "https://registry.npmjs.org/").rstrip("/")
        url = f"{registry}/{name}/-/{name}-{version}.tgz"
        npm = ["npm", "pack", "--silent", "--pack-destination", folder, f"{name}@{version}"]
        curl = ["curl", "--fail", "--silent", "--show-error", "--location", "--retry", "3", "--max-time", "120"]
        curl += ["--output", f"{folder}/{name}-{version}.tgz", url]
        commands = [npm] if shutil.which("npm") else []
        for command in [*commands, curl]:
            done = subprocess.run(command, cwd=folder, stdout=subprocess.DEVNULL, timeout=300)
            found = list(Path(folder).glob("*.tgz"))
            if done.returncode == 0 and found:
                return found[0].read_bytes()
        sys.exit(f"npm: {name} {version} can't be had: {' '.join(curl)}")
