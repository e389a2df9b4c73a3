"""Finds anvil, the node of our local EVM chains, or fetches it once.

ZOPAY_ANVIL_BIN → `anvil` on PATH → the npm package of this machine's kind, whose tarball
is held against the digest below before anything in it is believed. It is one program that
needs neither Node nor npm to run. What was fetched stays in .venv, beside the wheels, where
bin/up --fresh does not reach.
"""

from __future__ import annotations

import base64
import hashlib
import os
import platform
import re
import shutil
import subprocess
import tarfile
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from zopay_site.embedded.install import VENV

if TYPE_CHECKING:
    from collections.abc import Callable

VERSION = "1.7.1"
OLDEST = (1, 0)
MEGABYTES = 19
# By platform.system() and platform.machine(): npm's name for it, and the SHA-512 of the
# tarball as the registry publishes it (`npm view <package>@1.7.1 dist.integrity`). Kinds
# that we have seen no digest of are left out: they bring their own anvil.
PACKAGES = {
    ("Linux", "x86_64"): (
        "@foundry-rs/anvil-linux-amd64",
        "+XmShybEaxfCrr0OUUZwYEy2OnYZt5pHH9TzBtLv3+VrK0O/ANuNSVEahqNhKHlgX7GRJ59383ofNhxkRWIYTg==",
    ),
}
MEMBER = "package/bin/anvil"
MEMBER_BYTES_MAX = 300_000_000
FETCH_SECONDS = 180.0
VERSION_SECONDS = 20.0
# One try, and no long wait for an answer: somebody looks at the terminal.
PATIENCE_OF_NPM = {
    "npm_config_fetch_retries": "0",
    "npm_config_fetch_timeout": "60000",
    "npm_config_update_notifier": "false",
    "npm_config_ignore_scripts": "true",
}


class NoAnvil(Exception):
    """There is no anvil to be had here. Its words say why, and end without a full stop."""


def find_or_fetch(*, tick: Callable[[str], None] | None = None) -> Path:
    """A program that runs and is anvil 1.0 or newer. Raises NoAnvil.

    `tick` is called with a note while something is fetched, as often as it pleases.
    """
    chosen = os.environ.get("ZOPAY_ANVIL_BIN")
    if chosen:
        # Who names one wants this one: another in its place would be a surprise.
        if not is_anvil(Path(chosen)):
            raise NoAnvil(
                f"ZOPAY_ANVIL_BIN={chosen} is no anvil {OLDEST[0]}.{OLDEST[1]} or newer"
            )
        return Path(chosen)
    on_path = shutil.which("anvil")
    if on_path and is_anvil(Path(on_path)):
        return Path(on_path)
    return kept() or fetch(tick=tick or (lambda _note: None))


def is_anvil(program: Path) -> bool:
    """It starts, says that it is anvil, and is not too old."""
    try:
        answer = subprocess.run(
            [str(program), "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=VERSION_SECONDS,
        )
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return False
    said = re.match(r"anvil\s(?:Version:\s)?(\d+)\.(\d+)", answer.stdout)
    return said is not None and (int(said[1]), int(said[2])) >= OLDEST


def place() -> Path:
    """Where the fetched one is kept."""
    return VENV / "anvil" / VERSION / "anvil"


def kept() -> Path | None:
    """What an earlier run fetched, unless it has ceased to run."""
    return place() if place().exists() and is_anvil(place()) else None


def fetch(*, tick: Callable[[str], None]) -> Path:
    """Get the package of this kind of machine, check it, keep its one program."""
    kind = (platform.system(), platform.machine())
    if kind not in PACKAGES:
        raise NoAnvil(f"we know no anvil for {' '.join(kind)}")
    if shutil.which("npm") is None:
        raise NoAnvil("there is no npm to fetch anvil with")
    package, integrity = PACKAGES[kind]
    try:
        place().parent.mkdir(parents=True, exist_ok=True)
        # Beside its final place, so that the last step is a rename: two at once do not meet.
        with TemporaryDirectory(dir=place().parent) as folder:
            tarball = _pack(package, Path(folder), tick=tick)
            check(tarball, integrity)
            program = unpack(tarball, Path(folder))
            if not is_anvil(program):
                raise NoAnvil("the anvil that npm brought does not run on this machine")
            program.replace(place())
    except (OSError, tarfile.TarError) as error:
        raise NoAnvil(f"anvil could not be kept: {error}") from None
    return place()


def check(tarball: Path, integrity: str) -> None:
    """Compare with the digest that we committed, whatever npm itself has compared."""
    with tarball.open("rb") as file:
        found = base64.b64encode(hashlib.file_digest(file, "sha512").digest()).decode()
    if found != integrity:
        raise NoAnvil("the anvil that npm brought is not the one we know")


def unpack(tarball: Path, folder: Path) -> Path:
    """The one file that we want, under a name of ours: no path of the archive is used."""
    program = folder / "anvil"
    with tarfile.open(tarball, "r:gz") as archive:
        member = next((each for each in archive if each.name == MEMBER), None)
        content = archive.extractfile(member) if member and member.isreg() else None
        if member is None or content is None or member.size > MEMBER_BYTES_MAX:
            raise NoAnvil("the anvil that npm brought has no program in it")
        with program.open("wb") as file:
            shutil.copyfileobj(content, file)
    program.chmod(0o755)
    return program


def _pack(package: str, folder: Path, *, tick: Callable[[str], None]) -> Path:
    """Let npm fetch the tarball; where from is this machine's own affair."""
    line = ["npm", "pack", "--silent", f"{package}@{VERSION}"]
    with (folder / "npm.log").open("wb") as log:
        child = subprocess.Popen(
            line,
            cwd=folder,
            env=os.environ | PATIENCE_OF_NPM,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        deadline = time.monotonic() + FETCH_SECONDS
        try:
            while child.poll() is None and time.monotonic() < deadline:
                tick(f"fetching anvil {VERSION}, {MEGABYTES} MB")
                time.sleep(0.1)
        finally:
            if child.poll() is None:
                child.terminate()
                child.wait()
    tarballs = list(folder.glob("*.tgz"))
    if child.returncode != 0 or len(tarballs) != 1:
        raise NoAnvil("npm could not fetch anvil; it needs the network once")
    return tarballs[0]
