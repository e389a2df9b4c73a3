"""Receive webhooks on this machine, verify them and show them: no tunnel, no account."""

from __future__ import annotations

import json
import os
from argparse import ArgumentTypeError
from threading import Lock
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError
from django.core.management.color import no_style

from engine.webhooks.dialects.base import DIALECTS
from engine.webhooks.listener import HOST, SLOW_SECONDS, Answer, Keys, Listener, Settings

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Mapping

    from engine.webhooks.listener import Finding, Received

INDENT = " " * 10
SLEEP_SECONDS_MAX = 600
STATUSES = range(200, 600)
SAYING = Lock()


class Command(BaseCommand):
    help = (
        "Receive webhooks on 127.0.0.1: verify the signatures, print what came, answer 200. "
        f"Send to /fail for a 500, /gone for a 410, /slow for an answer after "
        f"{SLOW_SECONDS:.0f} s (or --sleep)."
    )
    # It asks nothing of the house, so it runs also where the house does not.
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=9000, help="0 takes any free one")
        parser.add_argument(
            "--secret",
            action="append",
            default=[],
            help="the endpoint's, whsec_…; twice while it is rolled; or WEBHOOK_SECRETS in"
            " the environment, with commas",
        )
        parser.add_argument("--token", help="the API token that signs `Signature`, tk_…")
        parser.add_argument(
            "--dialect", choices=list(DIALECTS), help="default: as the headers say"
        )
        parser.add_argument(
            "--answer", type=_status, default=200, help="such as 200, 500 or 410"
        )
        parser.add_argument(
            "--sleep", type=_seconds, default=0.0, help="seconds before each answer"
        )
        parser.add_argument("--count", type=_count, help="end after so many")

    def handle(self, *_args: Any, **options: Any) -> None:
        if not self.stdout.isatty():
            self.style = no_style()
        settings = Settings(
            report=self._show,
            keys=Keys(secrets=options["secret"] or _given(), token=options["token"]),
            dialect=options["dialect"],
            usual=Answer(options["answer"], options["sleep"]),
            count=options["count"],
        )
        try:
            listener = Listener(options["port"], settings)
        except (OSError, OverflowError) as error:
            raise CommandError(
                f"Port {options['port']} is not to be had ({error}). Take another: --port 9001"
            ) from None
        try:
            with listener:
                self._say(f"Listening on http://{HOST}:{listener.server_port}  (Ctrl-C ends)")
                listener.serve_forever(poll_interval=0.1)
        except KeyboardInterrupt:
            self._say("")
        self._say(f"Ended. Webhooks answered: {listener.answered}.")

    def _show(self, received: Received) -> None:
        content = _parsed(received.body)
        at = received.at.astimezone().strftime("%H:%M:%S")
        words = [self.style.MIGRATE_HEADING(_printable(_title(content, received.headers)))]
        if received.message_id:
            words.append(_printable(received.message_id))
        words.extend(_printable(word) for word in _marks(content, received))
        self._say(f"\n{at}  {'  '.join(words)}")
        for finding in received.findings:
            self._say(INDENT + self._colour(finding))
        self._say(INDENT + _answered(received))
        shown = (
            json.dumps(content, ensure_ascii=False, indent=2)
            if content is not None
            else received.body.decode("utf-8", "backslashreplace")
        )
        for line in shown.splitlines():
            self._say(INDENT + _printable(line))

    def _colour(self, finding: Finding) -> str:
        line = f"{finding.header}: {finding.says}"
        if finding.is_good is None:
            return self.style.WARNING(f"-  {line}")
        return (
            self.style.SUCCESS(f"✓  {line}")
            if finding.is_good
            else self.style.ERROR(f"✗  {line}")
        )

    def _say(self, line: str) -> None:
        # Text streams lose lines when a request's thread and ours write at once.
        with SAYING:
            self.stdout.write(line)
            # Whoever reads through a pipe wants each webhook when it comes.
            self.stdout.flush()


def _given() -> list[str]:
    """Secrets from the environment, where no list of running programs shows them."""
    return [secret for secret in os.environ.get("WEBHOOK_SECRETS", "").split(",") if secret]


def _parsed(body: bytes) -> Any:
    """The body as JSON, or None."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _title(content: Any, headers: Mapping[str, str]) -> str:
    """What a message tells of, wherever its dialect says so."""
    said = content if isinstance(content, dict) else {}
    for word in (said.get("type"), said.get("event"), headers.get("x-zo-event")):
        if isinstance(word, str):
            return word
    return f"payment {said['status']}" if "status" in said else "(no type)"


def _marks(content: Any, received: Received) -> list[str]:
    """What else is worth a word beside the id."""
    marks = []
    if isinstance(content, dict):
        if "sequence" in content:
            marks.append(f"sequence {content['sequence']}")
        if content.get("livemode") is False:
            marks.append("test mode")
    if received.headers.get("x-zo-replay") == "true":
        marks.append("sent again by hand")
    if received.times_seen > 1:
        marks.append(f"seen {received.times_seen} times")
    return marks


def _answered(received: Received) -> str:
    answer = received.answer
    after = f" after {answer.sleep_seconds:g} s" if answer.sleep_seconds else ""
    return f"→  {int(answer.status)}{after}"


def _printable(text: str) -> str:
    """Text from outside as it may stand on a terminal: its control characters spelt out."""
    return "".join(
        character if character.isprintable() else f"\\u{ord(character):04x}"
        for character in text
    )


def _status(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) in STATUSES):
        raise ArgumentTypeError(f"{text} is no status between 200 and 599")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= SLEEP_SECONDS_MAX:
        raise ArgumentTypeError(
            f"{text} is not a number of seconds from 0 to {SLEEP_SECONDS_MAX}"
        )
    return seconds


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise ArgumentTypeError(f"{text} is not a number from 1 on")
    return int(text)
