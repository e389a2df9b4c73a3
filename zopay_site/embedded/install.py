"""Makes .venv and installs the locked wheels, then hands over to the command asked for.

Runs on any Python 3.11 or newer with nothing installed: standard library only.
A stamp in .venv remembers which locks are in it, so the next run needs no network.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from zopay_site.embedded import home, ports, say
from zopay_site.embedded.say import Step, Stop

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

VENV = home.ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "zopay-locks.json"
RUNTIME = "requirements.txt"
WITH_TESTS = "requirements-dev.txt"
COMMANDS = {
    "up": ("up", RUNTIME),
    "manage": ("run_manage", RUNTIME),
    "test": ("run_tests", WITH_TESTS),
    "check": ("run_checks", WITH_TESTS),
    "chaos": ("run_chaos", RUNTIME),
    "bench": ("run_bench", WITH_TESTS),
}
OLDEST = (3, 11)


def main(arguments: list[str]) -> int:
    """Install what `arguments[0]` needs, then become it."""
    name, *rest = arguments
    module, lock = COMMANDS[name]
    if name != "up":
        say.VOICE.stream = sys.stderr
    elif not {"-h", "--help"} & set(rest):
        # Said before the wheels come, not a minute later.
        home.refuse_if_running(home.place())
        ports.refuse_if_taken(ports.web_port())
    if not is_installed(lock):
        with _one_at_a_time():
            if not is_installed(lock):
                install(lock, command=name)
    os.chdir(home.ROOT)
    program = [str(PYTHON), "-m", f"zopay_site.embedded.{module}", *rest]
    os.execv(PYTHON, program)  # noqa: S606


def is_installed(lock: str) -> bool:
    """The stamp names this very lock, and the environment's Python is still there."""
    return PYTHON.exists() and _stamps().get(lock) == _digest(lock)


def install(lock: str, *, command: str) -> None:
    """Bring .venv in step with `lock`, every wheel held against its hash."""
    say.VOICE.line("Zopay is being installed; the next time starts at once.")
    make_environment(command)
    count = (home.ROOT / lock).read_text().count("==")
    with tempfile.TemporaryDirectory() as folder, say.step("Wheels") as step:
        step.note = f"{count} locked"
        log = Path(folder) / "install.log"
        if not (_install_with_uv(lock, log, step) or _install_with_pip(lock, log, step)):
            raise Stop(
                "The wheels could not be installed; the installer's last words:"
                + say.last_lines(log, count=2),
                then=f"check the network, then run bin/{command} again",
            )
        step.note = f"{count} locked, hashes checked"
    # The lock with tests holds every pin of the other one; tests/embedded proves it.
    names = [RUNTIME, WITH_TESTS] if lock == WITH_TESTS else [RUNTIME]
    STAMP.write_text(json.dumps(_stamps() | {name: _digest(name) for name in names}))


def make_environment(command: str) -> None:
    """Make .venv with pip in it, unless a good one is there."""
    if PYTHON.exists() and _version_in(VENV) < OLDEST:
        raise Stop(
            f"{VENV} was made with a Python older than 3.11.",
            then=f'rm -r "{VENV}", then run bin/{command} again',
        )
    with say.step("Environment", note=f"Python {sys.version.split()[0]}") as step:
        if not PYTHON.exists():
            # Without pip at first: this much works where python3-venv is missing.
            base = _base_python()
            made = _run([base, "-m", "venv", "--clear", "--without-pip", str(VENV)], step)
            if made.returncode != 0:
                raise Stop(
                    f"{VENV} could not be made: {_last(made.stderr)}",
                    then=f"apt-get install python3-venv, then bin/{command} again",
                )
        if not _pip(step):
            raise Stop(
                "This Python has neither ensurepip nor pip, so no wheel can be installed.",
                then=f"apt-get install python3-venv, then bin/{command} again",
            )


def _pip(step: Step) -> list[str]:
    """How to call some pip that installs into .venv; empty when there is none."""
    inside = [str(PYTHON), "-m", "pip"]
    # pip can install into another environment since 22.3.
    outside = [_base_python(), "-m", "pip", "--python", str(PYTHON)]
    if _works([*inside, "--version"]):
        return inside
    if _run([str(PYTHON), "-m", "ensurepip"], step).returncode == 0:
        return inside
    return outside if _works([*outside, "--version"]) else []


def _install_with_uv(lock: str, log: Path, step: Step) -> bool:
    """The fast way: uv fetches in parallel. Pip, six times slower, is the fallback."""
    pip = _pip(step)
    if _works([*pip, "config", "get", "global.index-url"]) or "PIP_INDEX_URL" in os.environ:
        return False  # This machine has an index of its own, which only pip knows about.
    uv = VENV / "bin" / "uv"
    wanted = log.with_name("uv.txt")
    wanted.write_text(_lines_of("uv", (home.ROOT / WITH_TESTS).read_text()))
    options = ["--quiet", "--require-hashes", "--only-binary", ":all:", "-r", str(wanted)]
    if _run([*pip, "install", *options], step, log=log).returncode != 0:
        return False
    if not _works([str(uv), "--version"]):
        return False
    cache = [] if _may_write_cache() else ["--no-cache"]
    line = [str(uv), "pip", "install", "--python", str(PYTHON), "--no-progress", *cache]
    line += ["--require-hashes", "--only-binary", ":all:", "-r", str(home.ROOT / lock)]
    return _run(line, step, log=log).returncode == 0


def _install_with_pip(lock: str, log: Path, step: Step) -> bool:
    line = [*_pip(step), "install", "--no-deps", "--require-hashes"]
    line += ["--only-binary", ":all:", "--progress-bar", "off", "-r", str(home.ROOT / lock)]
    return _run(line, step, log=log).returncode == 0


def _run(
    line: Sequence[str], step: Step, *, log: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `line` to its end while `step` ticks; its words go to `log`, not to the terminal."""
    environment = os.environ | {
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_NO_CONFIG": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
        "PIP_RETRIES": "2",
        "PIP_USER": "0",
        "PIP_ROOT_USER_ACTION": "ignore",
        "PIP_REQUIRE_VIRTUALENV": "0",
    }
    with tempfile.TemporaryFile("w+") as words:
        child = subprocess.Popen(
            line, env=environment, stdin=subprocess.DEVNULL, stdout=words, stderr=words
        )
        try:
            while child.poll() is None:
                step.tick()
                time.sleep(0.1)
        except BaseException:
            child.terminate()
            child.wait()
            raise
        words.seek(0)
        text = words.read()
    if log is not None:
        log.write_text(text)
    return subprocess.CompletedProcess(line, child.returncode, "", text)


def _works(line: Sequence[str]) -> bool:
    try:
        answer = subprocess.run(line, capture_output=True, check=False)
    except OSError:
        return False
    return answer.returncode == 0


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Two commands started together install once."""
    folder = os.open(home.ROOT, os.O_RDONLY)
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say.VOICE.line("Another command is installing; this one waits for it.")
            fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _stamps() -> dict[str, str]:
    try:
        stamps = json.loads(STAMP.read_text())
    except (OSError, ValueError):
        return {}
    return stamps if isinstance(stamps, dict) else {}


def _digest(lock: str) -> str:
    return hashlib.sha256((home.ROOT / lock).read_bytes()).hexdigest()


def _lines_of(name: str, lock: str) -> str:
    """One package's pin and hashes, cut out of a lock."""
    _, _, rest = f"\n{lock}".partition(f"\n{name}==")
    lines = rest.splitlines()
    end = next((i for i, line in enumerate(lines) if not line.endswith("\\")), 0)
    return f"{name}==" + "\n".join(lines[: end + 1]) + "\n"


def _base_python() -> str:
    """The Python outside .venv."""
    inside = sys.prefix != sys.base_prefix
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    outside = Path(sys.base_prefix) / "bin" / version
    return str(outside) if inside and outside.exists() else sys.executable


def _version_in(environment: Path) -> tuple[int, int]:
    code = "import sys; print(*sys.version_info[:2])"
    line = [str(environment / "bin" / "python"), "-c", code]
    answer = subprocess.run(line, capture_output=True, text=True, check=False)
    major, _, minor = answer.stdout.strip().partition(" ")
    return (int(major), int(minor)) if minor.isdigit() else (0, 0)


def _may_write_cache() -> bool:
    folder = Path(os.environ.get("UV_CACHE_DIR") or Path("~/.cache").expanduser())
    while not folder.exists():
        folder = folder.parent
    return os.access(folder, os.W_OK)


def _last(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip() if lines else "no reason given"


if __name__ == "__main__":
    say.run(main, sys.argv[1:])
