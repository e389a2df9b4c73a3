"""bin/chaos: from its options to its exit status."""

from __future__ import annotations

import json
import shutil
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

from zopay_site.chaos import plan, show
from zopay_site.chaos.game import Game
from zopay_site.chaos.house import House
from zopay_site.chaos.options import Options, parse
from zopay_site.chaos.show import Progress, Report
from zopay_site.embedded import say
from zopay_site.embedded.anvil import NoAnvil
from zopay_site.embedded.say import Stop

RIGHT, WRONG, COULD_NOT = 0, 1, 2
INTERRUPTED = 130


def main(arguments: list[str]) -> int:
    """0: nothing lost, sent twice or lied about. 1: something was. 2: it could not run."""
    options = parse(arguments)
    if options.as_json:
        say.VOICE.stream = sys.stderr
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    place = Path(tempfile.mkdtemp(prefix="zopay-chaos-"))
    is_kept = False
    try:
        report = _run(options, place)
        is_kept = not report.is_right
        (place / "report.json").write_text(json.dumps(report.as_json(), indent=2))
        show.conclude(report)
    except KeyboardInterrupt:
        say.VOICE.line("\nEnded.")
        return INTERRUPTED
    except (Stop, NoAnvil) as stop:
        is_kept = isinstance(stop, Stop)
        then = f"\nNext: {stop.then}" if isinstance(stop, Stop) else ""
        print(f"\n{stop}{then}", file=sys.stderr)
        return COULD_NOT
    except Exception as error:  # noqa: BLE001  (the last line of defence against a traceback)
        is_kept = True
        (place / "chaos.log").write_text(traceback.format_exc())
        print(
            f"\nSomething unforeseen went wrong: {type(error).__name__}: {error}\n"
            f"Next: see {place}/chaos.log",
            file=sys.stderr,
        )
        return COULD_NOT
    finally:
        if not is_kept:
            shutil.rmtree(place, ignore_errors=True)
    return RIGHT if report.is_right else WRONG


def _run(options: Options, place: Path) -> Report:
    drawn = plan.draw(options)
    show.announce(options)
    progress = Progress(payouts=options.payouts, strikes=len(drawn.strikes))
    house = House(place, options)
    try:
        house.start(progress.begin)
        began = progress.began = time.monotonic()
        game = Game(house, drawn, options, progress)
        count = game.play()
        progress.end()
        seconds = time.monotonic() - began
        happened = game.happened()
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # One Ctrl-C is enough: the end is under way, and must not be left half done.
            signal.signal(number, signal.SIG_IGN)
        house.stop()
    is_right = count.is_right and game.final_seconds is not None
    return Report(
        options=options,
        count=count,
        happened=happened,
        late=game.late,
        final_seconds=game.final_seconds,
        seconds=seconds,
        home="" if is_right else str(place),
    )


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
