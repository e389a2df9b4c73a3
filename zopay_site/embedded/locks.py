"""Are the locks in step with what they lock? Answered without a network.

A lock that was forgotten after a change of its .in file would install yesterday's product.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

if TYPE_CHECKING:
    from pathlib import Path

COMMAND = (
    "uv pip compile --universal --generate-hashes --no-annotate"
    " --python-version 3.11 {name}.in -o {name}.txt"
)
PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)")


def complaints(root: Path) -> list[str]:
    """One sentence for each thing that is wrong with the two locks under `root`."""
    runtime, development = "requirements", "requirements-dev"
    found = [*_in_step(root, runtime), *_in_step(root, development)]
    wanted, with_tests = pins(root / f"{runtime}.txt"), pins(root / f"{development}.txt")
    # What the tests run on is what the product runs on.
    found += [
        f"{name} is {version} in {runtime}.txt but {with_tests.get(name)} in {development}.txt."
        for name, version in wanted.items()
        if with_tests.get(name) != version
    ]
    return found


def pins(lock: Path) -> dict[str, set[str]]:
    """Versions by package; a universal lock may pin several, one for each kind of machine."""
    found: dict[str, set[str]] = {}
    for line in lock.read_text().splitlines():
        pin = PIN.match(line)
        if pin:
            found.setdefault(canonicalize_name(pin[1]), set()).add(pin[2])
    return found


def asked_for(file: Path) -> list[Requirement]:
    """What an .in file asks for, with the files that it includes."""
    found = []
    for line in file.read_text().splitlines():
        text = line.partition("#")[0].strip()
        if text.startswith("-r "):
            found += asked_for(file.with_name(text.removeprefix("-r ").strip()))
        elif text:
            found.append(Requirement(text))
    return found


def _in_step(root: Path, name: str) -> list[str]:
    lock = root / f"{name}.txt"
    text, pinned = lock.read_text(), pins(lock)
    found = []
    for wanted in asked_for(root / f"{name}.in"):
        versions = pinned.get(canonicalize_name(wanted.name), set())
        if not any(wanted.specifier.contains(Version(version)) for version in versions):
            found.append(
                f"{lock.name} has no {wanted}: compile it again, its first lines say how."
            )
    if COMMAND.format(name=name) not in text:
        found.append(f"{lock.name} was not compiled with: {COMMAND.format(name=name)}")
    if "://" in text or "index-url" in text:
        found.append(f"{lock.name} names a place to download from; that is each machine's own.")
    unhashed = [line for line in text.splitlines() if PIN.match(line) and line[-1] != "\\"]
    found += [f"{lock.name} has no hash for {line}." for line in unhashed]
    return found
