"""The local receiver: what it finds good, what it answers, and how quietly it ends."""

import http.client
import json
import os
import pty
import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread

import pytest
from django.core.management import CommandError, call_command

from engine.webhooks.dialects.base import DIALECTS, dialect_named, new_secret
from engine.webhooks.listener import SLOW_SECONDS, Answer, Keys, Listener, Settings, answer_for
from engine.webhooks.management.commands.webhook_listen import Command

ROOT = Path(__file__).parents[2]
BODY = (
    '{"type":"payout.delivered","sequence":2,"livemode":false,"data":{"label":"Zoë"}}'.encode()
)
SECRET, OLD = new_secret(), new_secret()
TOKEN = "tk_test_1"
SECONDS_MAX = 20
GREEN, RED = "\x1b[32;1m", "\x1b[31;1m"


def sign(dialect, *, secrets=(SECRET,), body=BODY, now=None, is_replay=False):
    return dialect_named(dialect).headers(
        message_id="evt_1",
        event_type="payout.delivered",
        body=body,
        secrets=secrets,
        now=now or datetime.now(UTC),
        is_replay=is_replay,
        token=TOKEN,
    )


def send(port, path="/", *, headers=None, body=BODY):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS_MAX)
    connection.request("POST", path, body=body, headers=headers or {})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status


@contextmanager
def listening(**options):
    """A listener in this process; yields its port and the list of what it received."""
    received = []
    options = {"keys": Keys(secrets=[SECRET], token=TOKEN)} | options
    with Listener(0, Settings(report=received.append, **options)) as listener:
        thread = Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield listener.server_port, received
        finally:
            listener.shutdown()
            thread.join(SECONDS_MAX)


def verdicts(received):
    return [finding.is_good for finding in received.findings]


# --- What it finds ---------------------------------------------------------------


@pytest.mark.parametrize("dialect", DIALECTS)
def test_it_knows_each_dialect_by_its_headers_and_finds_it_good(dialect):
    with listening() as (port, received):
        assert send(port, headers=sign(dialect)) == 200

    (one,) = received
    assert (one.dialect, one.message_id, one.body) == (dialect, "evt_1", BODY)
    assert verdicts(one) == ([True, True] if dialect == "signature" else [True])


@pytest.mark.parametrize("dialect", DIALECTS)
def test_an_altered_body_is_bad_to_every_signature(dialect):
    with listening() as (port, received):
        send(port, headers=sign(dialect), body=BODY.replace(b"2", b"3"))

    assert set(verdicts(received[0])) == {False}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_an_old_moment_is_bad(dialect):
    past = datetime.now(UTC) - timedelta(minutes=6)
    with listening() as (port, received):
        send(port, headers=sign(dialect, now=past))

    assert received[0].findings[0].is_good is False
    assert "old" in received[0].findings[0].says


@pytest.mark.parametrize("known", [SECRET, OLD], ids=["new", "old"])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_while_a_secret_is_rolled_either_one_verifies(dialect, known):
    headers = sign(dialect, secrets=[SECRET, OLD])
    with listening(keys=Keys(secrets=[known])) as (port, received):
        send(port, headers=headers)

    assert received[0].findings[0].is_good is True


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_receiver_that_knows_two_secrets_takes_what_either_signed(dialect):
    with listening(keys=Keys(secrets=[SECRET, OLD])) as (port, received):
        send(port, headers=sign(dialect, secrets=[OLD]))

    assert received[0].findings[0].is_good is True


@pytest.mark.parametrize("dialect", DIALECTS)
def test_without_a_secret_nothing_is_called_good(dialect):
    with listening(keys=Keys()) as (port, received):
        send(port, headers=sign(dialect))

    assert set(verdicts(received[0])) == {None}


@pytest.mark.parametrize("secret", ["whsec_", "whsec_!", "whsec_é", "whsec_a"])
def test_a_secret_that_is_none_is_named_as_the_fault(secret):
    with listening(keys=Keys(secrets=[secret])) as (port, received):
        send(port, headers=sign("standard"))

    assert [finding.is_good for finding in received[0].findings] == [False]


@pytest.mark.parametrize(
    ("dialect", "headers"),
    [
        ("standard", {}),
        ("standard", {"webhook-id": "1", "webhook-timestamp": "1", "webhook-signature": "v1"}),
        (
            "standard",
            {"webhook-id": "1", "webhook-timestamp": "²", "webhook-signature": "v1,é"},
        ),
        ("x_zo", {"X-Zo-Signature": "é"}),
        ("x_zo", {"X-Zo-Signature": "0" * 64, "X-Zo-Timestamp": "-1"}),
        ("x_zo", {"X-Zo-Signature": "0" * 64, "X-Zo-Timestamp": "²" * 13}),
        ("x_zo", {"X-Zo-Signature": "0" * 64, "X-Zo-Timestamp": "9" * 5000}),
        ("signature", {"Signature": "é"}),
    ],
)
@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"[" * 100_000])
def test_nonsense_is_bad_and_breaks_nothing(dialect, headers, body):
    encoded = {name: value.encode("latin-1") for name, value in headers.items()}
    with listening() as (port, received):
        assert send(port, headers=encoded, body=body) == 200

    assert received[0].dialect == dialect
    assert True not in verdicts(received[0])


def test_a_forced_dialect_is_not_fooled_by_the_headers_of_another():
    with listening(dialect="standard") as (port, received):
        send(port, headers=sign("x_zo"))

    assert received[0].dialect == "standard"
    assert verdicts(received[0]) == [False]


def test_an_id_that_comes_again_is_counted():
    with listening() as (port, received):
        for _ in range(3):
            send(port, headers=sign("standard"))

    assert [one.times_seen for one in received] == [1, 2, 3]


# --- What it answers -------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "usual", "answer"),
    [
        ("/", Answer(), Answer(200, 0)),
        ("/anything/fail", Answer(202), Answer(202, 0)),
        ("/fail", Answer(), Answer(500, 0)),
        ("/fail/?a=1", Answer(sleep_seconds=3), Answer(500, 3)),
        ("/gone", Answer(), Answer(410, 0)),
        ("/slow", Answer(), Answer(200, SLOW_SECONDS)),
        ("/slow", Answer(503, 3), Answer(503, 3)),
    ],
)
def test_a_path_asks_for_its_answer(path, usual, answer):
    assert answer_for(path, usual) == answer


def test_slow_is_slower_than_any_sender_waits():
    assert SLOW_SECONDS > 15


@pytest.mark.parametrize(("path", "status"), [("/", 503), ("/fail", 500), ("/gone", 410)])
def test_it_answers_as_it_was_told(path, status):
    with listening(usual=Answer(503)) as (port, _):
        assert send(port, path) == status


def test_one_that_sleeps_holds_up_nobody():
    with listening(usual=Answer(sleep_seconds=0.5)) as (port, received):
        threads = [Thread(target=send, args=(port,)) for _ in range(20)]
        began = datetime.now(UTC)
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(SECONDS_MAX)
        seconds = (datetime.now(UTC) - began).total_seconds()

    assert len(received) == 20
    assert 0.5 <= seconds < 5


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ("", 411),
        ("Content-Length: -1\r\n", 411),
        ("Content-Length: 9999999\r\n", 413),
        ("Transfer-Encoding: chunked\r\n", 411),
    ],
)
def test_what_is_no_webhook_is_refused_unread(headers, status):
    with listening() as (port, received):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS_MAX)
        connection.connect()
        connection.sock.sendall(f"POST / HTTP/1.1\r\nHost: x\r\n{headers}\r\n".encode())
        first = connection.sock.makefile().readline()
        connection.close()

    assert first.split(" ")[1] == str(status)
    assert received == []


def test_it_listens_on_this_machine_alone():
    with Listener(0, Settings(report=print)) as listener:
        assert listener.server_address[0] == "127.0.0.1"


# --- What it shows ---------------------------------------------------------------


@contextmanager
def command(*arguments, on_terminal=False):
    """`webhook_listen` as a program of its own; yields it, its output and its port."""
    ours, theirs = pty.openpty() if on_terminal else os.pipe()
    program = subprocess.Popen(
        [sys.executable, "manage.py", "webhook_listen", "--port", "0", *arguments],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=subprocess.STDOUT,
        env=os.environ | {"TERM": "xterm"},
    )
    os.close(theirs)
    shown = Shown(ours)
    try:
        first = shown.until("Ctrl-C ends")
        yield program, shown, int(re.search(r":(\d+)", first)[1])
    finally:
        program.kill()
        program.wait(SECONDS_MAX)
        os.close(ours)


class Shown:
    """What a program wrote, as far as it was read."""

    def __init__(self, descriptor):
        self.descriptor = descriptor
        self.text = ""

    def until(self, word):
        while word not in self.text:
            piece = self._read()
            assert piece, f"{word!r} was not shown in {self.text!r}"
            self.text += piece
        return self.text

    def to_the_end(self):
        while piece := self._read():
            self.text += piece
        return self.text

    def _read(self):
        try:
            return os.read(self.descriptor, 65536).decode()
        except OSError:
            # A terminal whose program has ended says so by an error.
            return ""


def test_a_webhook_is_shown_and_the_count_ends_it():
    with command("--secret", SECRET, "--count", "1") as (program, shown, port):
        assert send(port, headers=sign("standard")) == 200
        assert program.wait(SECONDS_MAX) == 0
        text = shown.to_the_end()

    head, *rest = text.split("\n\n")[1].splitlines()
    assert re.sub(r"^\d\d:\d\d:\d\d", "at", head) == (
        "at  payout.delivered  evt_1  sequence 2  test mode"
    )
    assert [line.strip() for line in rest[:2]] == [
        "✓  webhook-signature: signature good",
        "→  200",
    ]
    assert json.loads("\n".join(rest[2:-1])) == json.loads(BODY)
    assert rest[-1] == "Ended. Webhooks answered: 1."


@pytest.mark.parametrize(("body", "colour"), [(BODY, GREEN), (b"{}", RED)])
def test_a_terminal_sees_good_in_green_and_bad_in_red(body, colour):
    with command("--secret", SECRET, "--count", "1", on_terminal=True) as (_, shown, port):
        send(port, headers=sign("standard"), body=body)
        text = shown.to_the_end()

    assert f"{colour}✓" in text or f"{colour}✗" in text


def test_a_pipe_sees_no_colours_and_a_terminal_no_foreign_commands():
    body = '{"type":"\x1b[31m\u009b2J","data":"\u202e\x07"}'.encode()
    with command("--secret", SECRET, "--count", "2") as (_, shown, port):
        send(port, headers=sign("standard", body=body), body=body)
        send(port, headers=sign("standard", body=b"\x1b[2J"), body=b"\x1b[2J")
        text = shown.to_the_end()

    assert not set(text) & {"\x1b", "\u009b", "\u202e", "\x07"}
    assert "\\u001b[2J" in text


def test_ctrl_c_ends_it_without_a_traceback():
    with command("--sleep", "60") as (program, shown, port):
        asking = Thread(
            target=pytest.raises, args=((http.client.HTTPException, OSError), send, port)
        )
        asking.start()
        shown.until("→  200 after 60 s")
        program.send_signal(signal.SIGINT)
        assert program.wait(SECONDS_MAX) == 0
        asking.join(SECONDS_MAX)
        text = shown.to_the_end()

    assert text.endswith("Ended. Webhooks answered: 0.\n")
    assert "Traceback" not in text


def test_a_sender_that_hangs_up_is_no_error(capfd):
    with listening(usual=Answer(sleep_seconds=0.2), count=2) as (port, received):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS_MAX)
        connection.request("POST", "/", body=BODY)
        connection.close()
        send(port)

    assert len(received) == 2
    assert "Traceback" not in capfd.readouterr().err


# --- How it is started -----------------------------------------------------------


def test_a_port_that_is_taken_says_so():
    with listening() as (port, _), pytest.raises(CommandError, match=f"Port {port} is not"):
        call_command(Command(), port=port)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--answer", "100"],
        ["--answer", "two"],
        ["--sleep", "-1"],
        ["--sleep", "nan"],
        ["--count", "0"],
        ["--dialect", "morse"],
    ],
)
def test_an_argument_that_makes_no_sense_is_refused(arguments):
    with pytest.raises(CommandError):
        call_command(Command(), *arguments)
