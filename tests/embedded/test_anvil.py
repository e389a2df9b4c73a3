"""Finding anvil, or fetching it once: the right one, whole, or a reason why not.

Goal: nothing runs that we have not checked, and no failure takes bin/up down. Method: an
npm of our own that serves archives of our own, honest and otherwise.
"""

import base64
import hashlib
import io
import subprocess
import sys
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from zopay_site.embedded import anvil
from zopay_site.embedded.anvil import NoAnvil

KIND = ("Linux", "x86_64")
PROGRAM = b"#!/bin/sh\necho 'anvil Version: 1.7.1-v1.7.1'\n"
MEMBER = "package/bin/anvil"


@pytest.fixture(autouse=True)
def machine(tmp_path, monkeypatch):
    """A machine with nothing on it, and a .venv of its own."""
    monkeypatch.delenv("ZOPAY_ANVIL_BIN", raising=False)
    monkeypatch.setattr(anvil, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(anvil.platform, "system", lambda: KIND[0])
    monkeypatch.setattr(anvil.platform, "machine", lambda: KIND[1])
    tools = tmp_path / "tools"
    tools.mkdir()
    monkeypatch.setenv("PATH", str(tools))
    return tools


def write_program(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text)
    path.chmod(0o755)
    return path


def archive_of(*members):
    """A tarball; a member is a name with bytes, or with the name that it links to."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in members:
            member = tarfile.TarInfo(name)
            if isinstance(content, str):
                member.type, member.linkname = tarfile.SYMTYPE, content
                archive.addfile(member)
            else:
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


@pytest.fixture
def npm(machine, tmp_path, monkeypatch):
    """An npm that brings an archive, noting each time; its digest is the one we know."""

    def serve(content, *, known=None, status=0):
        kept = tmp_path / "served.tgz"
        kept.write_bytes(content)
        # In the folder it is called in, as `npm pack` does.
        code = (
            f"#!{sys.executable}\nimport os, shutil, sys\n"
            f"open({str(tmp_path / 'asked')!r}, 'a').write(' '.join(sys.argv[1:]) + chr(10))\n"
            f"{status} or shutil.copy({str(kept)!r}, 'some-package.tgz')\nsys.exit({status})\n"
        )
        write_program(machine / "npm", code.encode())
        digest = hashlib.sha512(content if known is None else known).digest()
        package = ("@some/package", base64.b64encode(digest).decode())
        monkeypatch.setattr(anvil, "PACKAGES", {KIND: package})

    serve.asked = lambda: (tmp_path / "asked").read_text().splitlines()
    return serve


def kept_files(tmp_path):
    return [path.name for path in (tmp_path / ".venv").rglob("*") if path.is_file()]


def test_the_one_that_is_named_is_taken_and_no_other(machine, tmp_path, monkeypatch):
    write_program(machine / "anvil", PROGRAM)
    mine = write_program(tmp_path / "my anvil", PROGRAM)
    monkeypatch.setenv("ZOPAY_ANVIL_BIN", str(mine))

    assert anvil.find_or_fetch() == mine


@pytest.mark.parametrize("content", [None, b"#!/bin/sh\necho 'anvil 0.3.0'\n", b"\x7fELF"])
def test_a_named_one_that_is_no_anvil_is_a_reason_and_nothing_else_is_tried(
    content, machine, tmp_path, monkeypatch
):
    write_program(machine / "anvil", PROGRAM)
    mine = tmp_path / "my anvil"
    if content is not None:
        write_program(mine, content)
    monkeypatch.setenv("ZOPAY_ANVIL_BIN", str(mine))

    with pytest.raises(NoAnvil, match=r"is no anvil 1\.0 or newer$"):
        anvil.find_or_fetch()


def test_one_on_the_path_is_taken_before_any_is_fetched(machine, npm):
    npm(archive_of((MEMBER, PROGRAM)))
    found = write_program(machine / "anvil", PROGRAM)

    assert anvil.find_or_fetch() == found


def test_one_on_the_path_that_is_too_old_is_passed_over(machine, npm, tmp_path):
    npm(archive_of((MEMBER, PROGRAM)))
    write_program(machine / "anvil", b"#!/bin/sh\necho 'anvil 0.9.9'\n")

    assert anvil.find_or_fetch() == tmp_path / ".venv" / "anvil" / "1.7.1" / "anvil"


def test_it_is_fetched_once_and_nothing_but_the_program_is_kept(npm, tmp_path):
    npm(archive_of(("package/package.json", b"{}"), (MEMBER, PROGRAM)))

    first, second = anvil.find_or_fetch(), anvil.find_or_fetch()

    assert first == second
    assert first.read_bytes() == PROGRAM
    assert kept_files(tmp_path) == ["anvil"]
    assert npm.asked() == ["pack --silent @some/package@1.7.1"]


def test_a_fetched_one_that_ceased_to_run_is_fetched_again(npm):
    npm(archive_of((MEMBER, PROGRAM)))
    anvil.find_or_fetch().write_bytes(b"half")

    assert anvil.find_or_fetch().read_bytes() == PROGRAM
    assert len(npm.asked()) == 2


def test_an_archive_with_another_digest_is_not_even_opened(npm, tmp_path, monkeypatch):
    npm(archive_of((MEMBER, PROGRAM)), known=b"what we know")
    opened = []
    monkeypatch.setattr(anvil.tarfile, "open", opened.append)

    with pytest.raises(NoAnvil, match="is not the one we know"):
        anvil.find_or_fetch()

    assert opened == []
    assert kept_files(tmp_path) == []


@pytest.mark.parametrize(
    "members",
    [
        [],
        [("package/bin/another", PROGRAM)],
        [("../package/bin/anvil", PROGRAM)],
        [(f"/{MEMBER}", PROGRAM)],
        [(MEMBER, "/bin/sh")],
    ],
    ids=["empty", "another name", "above", "absolute", "a link"],
)
def test_an_archive_without_the_program_keeps_nothing(members, npm, tmp_path):
    npm(archive_of(*members))

    with pytest.raises(NoAnvil, match="has no program in it"):
        anvil.find_or_fetch()

    assert kept_files(tmp_path) == []


def test_no_path_of_the_archive_is_written_to(npm, tmp_path):
    npm(archive_of(("../../../../escaped", b"x"), (MEMBER, PROGRAM)))

    anvil.find_or_fetch()

    assert list(tmp_path.rglob("escaped")) == []


def test_a_program_that_does_not_run_here_is_not_kept(npm, tmp_path):
    npm(archive_of((MEMBER, b"\x7fELF for another machine")))

    with pytest.raises(NoAnvil, match="does not run on this machine"):
        anvil.find_or_fetch()

    assert kept_files(tmp_path) == []


def test_no_npm_is_a_reason(machine):
    with pytest.raises(NoAnvil, match=r"^there is no npm to fetch anvil with$"):
        anvil.find_or_fetch()


def test_no_network_is_a_reason(npm):
    npm(archive_of((MEMBER, PROGRAM)), status=1)

    with pytest.raises(NoAnvil, match="needs the network once"):
        anvil.find_or_fetch()


def test_an_npm_that_hangs_is_given_up(npm, machine, monkeypatch):
    npm(archive_of((MEMBER, PROGRAM)))
    write_program(machine / "npm", b"#!/bin/sh\nexec /bin/sleep 600\n")
    monkeypatch.setattr(anvil, "FETCH_SECONDS", 0.3)
    told = []

    with pytest.raises(NoAnvil, match="npm could not fetch anvil"):
        anvil.find_or_fetch(tick=told.append)

    assert set(told) == {"fetching anvil 1.7.1, 19 MB"}


def test_a_machine_of_another_kind_is_a_reason(npm, monkeypatch):
    npm(archive_of((MEMBER, PROGRAM)))
    monkeypatch.setattr(anvil.platform, "machine", lambda: "riscv64")

    with pytest.raises(NoAnvil, match=r"^we know no anvil for Linux riscv64$"):
        anvil.find_or_fetch()


def test_a_place_that_cannot_be_written_is_a_reason(npm, tmp_path):
    npm(archive_of((MEMBER, PROGRAM)))
    (tmp_path / ".venv").write_text("a file, not a folder")

    with pytest.raises(NoAnvil, match="could not be kept"):
        anvil.find_or_fetch()


def test_two_that_fetch_at_once_both_get_a_whole_one(npm, tmp_path):
    npm(archive_of((MEMBER, PROGRAM)))

    with ThreadPoolExecutor(2) as both:
        found = list(both.map(lambda _: anvil.fetch(tick=lambda _note: None), range(2)))

    assert found == [anvil.place()] * 2
    assert subprocess.run([found[0], "--version"], capture_output=True, check=True).stdout
    assert kept_files(tmp_path) == ["anvil"]


def test_every_package_that_we_know_has_a_whole_digest():
    for package, integrity in anvil.PACKAGES.values():
        assert package.startswith("@foundry-rs/anvil-")
        assert len(base64.b64decode(integrity, validate=True)) == 64


def test_fetching_names_no_registry():
    text = Path(anvil.__file__).read_text()

    assert "://" not in text
    assert "npmrc" not in text
