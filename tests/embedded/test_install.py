"""Installing: only when the lock changed, only what the lock says, failures in one sentence."""

import os
import shutil
import subprocess
import sys

import pytest

from zopay_site.embedded import home, install
from zopay_site.embedded.say import Stop


@pytest.fixture
def environment(tmp_path, monkeypatch):
    """An empty .venv beside two small locks."""
    folder = tmp_path / ".venv"
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").symlink_to(sys.executable)
    for name in ("requirements.txt", "requirements-dev.txt"):
        (tmp_path / name).write_text("django==5.2.19 \\\n    --hash=sha256:00\n")
    monkeypatch.setattr(home, "ROOT", tmp_path)
    monkeypatch.setattr(install, "VENV", folder)
    monkeypatch.setattr(install, "PYTHON", folder / "bin" / "python")
    monkeypatch.setattr(install, "STAMP", folder / "zopay-locks.json")
    monkeypatch.setattr(install, "make_environment", lambda _command: None)
    return tmp_path


def installers(monkeypatch, *, uv, pip):
    """Replace the two ways to install by their outcome, and note which were tried."""
    tried = []

    def way(name, works):
        def attempt(lock, log, step):
            tried.append((name, lock))
            log.write_text("" if works else f"{name} found no network\n")
            return works

        return attempt

    monkeypatch.setattr(install, "_install_with_uv", way("uv", uv))
    monkeypatch.setattr(install, "_install_with_pip", way("pip", pip))
    return tried


def test_a_lock_is_installed_once(environment, monkeypatch):
    installers(monkeypatch, uv=True, pip=True)
    assert not install.is_installed("requirements.txt")

    install.install("requirements.txt", command="up")

    assert install.is_installed("requirements.txt")
    assert not install.is_installed("requirements-dev.txt")


def test_the_lock_with_tests_covers_the_other_one(environment, monkeypatch):
    installers(monkeypatch, uv=True, pip=True)

    install.install("requirements-dev.txt", command="test")

    assert install.is_installed("requirements.txt")


def test_a_changed_lock_is_installed_again(environment, monkeypatch):
    installers(monkeypatch, uv=True, pip=True)
    install.install("requirements.txt", command="up")

    (environment / "requirements.txt").write_text("django==5.2.20 \\\n    --hash=sha256:00\n")

    assert not install.is_installed("requirements.txt")


def test_an_environment_whose_python_is_gone_is_installed_again(environment, monkeypatch):
    installers(monkeypatch, uv=True, pip=True)
    install.install("requirements.txt", command="up")

    install.PYTHON.unlink()

    assert not install.is_installed("requirements.txt")


def test_pip_steps_in_where_uv_does_not_run(environment, monkeypatch):
    tried = installers(monkeypatch, uv=False, pip=True)

    install.install("requirements.txt", command="up")

    assert tried == [("uv", "requirements.txt"), ("pip", "requirements.txt")]


def test_no_network_is_a_sentence_and_leaves_no_stamp(environment, monkeypatch):
    installers(monkeypatch, uv=False, pip=False)

    with pytest.raises(Stop, match="could not be installed") as stop:
        install.install("requirements.txt", command="up")

    assert "pip found no network" in stop.value.sentence
    assert stop.value.then == "check the network, then run bin/up again"
    assert not install.STAMP.exists()


def test_uv_itself_is_pinned_by_hash():
    lines = install._lines_of("uv", (home.ROOT / "requirements-dev.txt").read_text())

    first, *hashes = lines.splitlines()
    assert first.startswith("uv==")
    assert first.endswith(" \\")
    assert hashes
    assert all(line.startswith("    --hash=sha256:") for line in hashes)
    assert not hashes[-1].endswith("\\")


def test_no_python_at_all_is_a_sentence(tmp_path):
    folder = tmp_path / "a house" / "zopay_site" / "embedded"
    folder.mkdir(parents=True)
    shutil.copy(home.ROOT / "zopay_site" / "embedded" / "launch.sh", folder)
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "dirname").symlink_to(shutil.which("dirname"))
    old = tools / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)

    answer = subprocess.run(
        ["/bin/sh", str(folder / "launch.sh"), "up"],
        env={"PATH": str(tools)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert answer.returncode == 1
    assert answer.stderr.startswith(
        "Zopay needs Python 3.11 or newer, and none was found.\nNext: "
    )


def test_every_command_finds_its_module():
    for name, (module, lock) in install.COMMANDS.items():
        assert os.access(home.ROOT / "bin" / name, os.X_OK)
        assert (home.ROOT / "zopay_site" / "embedded" / f"{module}.py").exists()
        assert (home.ROOT / lock).exists()
