"""What a person at the terminal reads: steps while it goes well, one sentence when not."""

from __future__ import annotations

import os
import sys
import time
import traceback
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WIDTH = 20
# Where nobody watches a line change, a long step says so this often.
REMIND_SECONDS = 15.0
# The status of a program that leaves the saying of its Stop to who started it.
STOPPED = 3


class Stop(Exception):
    """A command cannot go on: one sentence, and what to do next."""

    def __init__(self, sentence: str, *, then: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.then = then


class Voice:
    """Where the words go. bin/manage and bin/test keep stdout for what they run."""

    stream: TextIO = sys.stdout
    is_quiet = False

    def line(self, text: str = "") -> None:
        if not self.is_quiet:
            print(text, file=self.stream, flush=True)

    def rewrite(self, text: str) -> None:
        if not self.is_quiet:
            print(f"\r\033[K{text}", end="", file=self.stream, flush=True)

    @property
    def is_watched(self) -> bool:
        return self.stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"


VOICE = Voice()


class Step:
    """One line of progress: a name, what came of it, how long it took."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.note = ""
        self.began = time.monotonic()
        self.reminded = self.began

    def tick(self, note: str = "") -> None:
        """Say that it still goes on; call it as often as you like."""
        now = time.monotonic()
        text = f"  {self.name:<{WIDTH}}{note or self.note} … {now - self.began:.0f} s"
        if VOICE.is_watched:
            VOICE.rewrite(text)
        elif now - self.reminded >= REMIND_SECONDS:
            self.reminded = now
            VOICE.line(text)


@contextmanager
def step(name: str, *, note: str = "") -> Iterator[Step]:
    """Show `name` while the body runs, then its note and its seconds."""
    shown = Step(name)
    shown.note = note
    if VOICE.is_watched:
        VOICE.rewrite(f"  {name:<{WIDTH}}{note} …")
    try:
        yield shown
    except BaseException:
        if VOICE.is_watched:
            VOICE.rewrite("")
        raise
    seconds = f"{time.monotonic() - shown.began:.1f} s"
    text = f"  {name:<{WIDTH}}{shown.note:<34} {seconds:>8}"
    if VOICE.is_watched:
        VOICE.rewrite(text + "\n")
    else:
        VOICE.line(text)


def run(main: Callable[[list[str]], int], arguments: list[str]) -> NoReturn:
    """Run a command and leave with its status; a failure is a sentence, not a traceback."""
    try:
        status = main(arguments)
    except Stop as stop:
        print(f"\n{stop.sentence}\nNext: {stop.then}", file=sys.stderr)
        status = 1
    except KeyboardInterrupt:
        status = 130
    except BrokenPipeError:
        status = 1
    except Exception as error:  # noqa: BLE001  (the last line of defence against a traceback)
        where = _keep_for_later(traceback.format_exc())
        print(
            f"\nSomething unforeseen went wrong: {type(error).__name__}: {error}\n"
            f"Next: run it again; if it stays, {where} says more.",
            file=sys.stderr,
        )
        status = 1
    sys.exit(status)


def last_lines(log: Path, *, count: int = 6) -> str:
    """The end of a log file, indented, for under a sentence; empty when there is none."""
    try:
        lines = log.read_text(errors="replace").splitlines()[-count:]
    except OSError:
        return ""
    return "".join(f"\n    {line[:200]}" for line in lines if line.strip())


def _keep_for_later(text: str) -> str:
    root = Path(__file__).resolve().parents[2]
    log = Path(os.environ.get("ZOPAY_HOME") or root / ".zopay") / "logs" / "crash.log"
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(text)
    except OSError:
        print(text, file=sys.stderr)
        return "the text above"
    return str(log)
