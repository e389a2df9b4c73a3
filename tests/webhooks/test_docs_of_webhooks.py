"""docs/webhooks.md tells the truth: its code verifies, its tables are the dialects' own.

Goal: nobody who copies a block from the page accepts a forged message or refuses one of
ours. Method: take every block out of the page as it stands, run it with its own interpreter
against messages signed this moment, and against the same with one bit flipped.
"""

import base64
import json
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread

import pytest

from engine.webhooks.dialects.base import DIALECTS, dialect_named
from engine.webhooks.listener import Keys, Listener, Settings
from engine.webhooks.models import Message

PAGE = (Path(__file__).parents[2] / "docs" / "webhooks.md").read_text()
BLOCKS = re.findall(r"^```(python|js|sh|json)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
# A block of code says in its first line what file it is.
FILES = {
    re.match(r"(?:#|//) (\S+)\n", text)[1]: text
    for language, text in BLOCKS
    if language != "json"
}
EXAMPLES = [json.loads(text) for language, text in BLOCKS if language == "json"]
SECRET, OLD, STRANGER = (
    "whsec_" + base64.b64encode(text * 4).decode()
    for text in (b"new key.", b"old key.", b"no key..")
)
TOKEN = "tk_test_1"
BODY = '{"type":"payout.delivered","data":{"label":"Zoë · 日本"}}'.encode()
SECONDS_MAX = 60
MINUTES_MAX = 5

# Each file, the dialect it verifies, and what it is given as the key.
PYTHON = [
    ("verify_with_package.py", "standard", SECRET),
    ("verify.py", "standard", SECRET),
    ("verify_x_zo.py", "x_zo", SECRET),
    ("verify_signature.py", "signature", TOKEN),
]
JAVASCRIPT = [
    ("verify.js", "standard", SECRET),
    ("verify_x_zo.js", "x_zo", SECRET),
    ("verify_signature.js", "signature", TOKEN),
]
SHELL = [
    ("verify.sh", "standard", SECRET),
    ("verify_x_zo.sh", "x_zo", SECRET),
    ("verify_signature.sh", "signature", TOKEN),
]
# Asks a block's `verify` of many messages at once: the cases come and go as JSON.
ASK_JAVASCRIPT = """
const { verify } = require(process.argv[1]);
const cases = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
const answers = cases.map(([key, headers, body]) => verify(key, headers, Buffer.from(body, "base64")));
console.log(JSON.stringify(answers));
"""
ASK_PYTHON = """
import base64, json, runpy, sys
verify = runpy.run_path(sys.argv[1])["verify"]
cases = json.load(sys.stdin)
print(json.dumps([verify(key, headers, base64.b64decode(body)) for key, headers, body in cases]))
"""


def test_every_block_of_code_is_run():
    run_here = {file for file, _, _ in [*PYTHON, *JAVASCRIPT, *SHELL]} | {"send.sh"}

    assert set(FILES) == run_here
    assert len(FILES) == sum(language != "json" for language, _ in BLOCKS)


# --- Messages, good and bad ------------------------------------------------------


def sign(dialect, *, secrets=(SECRET,), now=None, token=TOKEN):
    headers = dialect_named(dialect).headers(
        message_id="evt_1",
        event_type="payout.delivered",
        body=BODY,
        secrets=secrets,
        now=now or datetime.now(UTC),
        is_replay=False,
        token=token,
    )
    return {name.lower(): value for name, value in headers.items()}


def flipped(raw):
    for place in range(len(raw)):
        for bit in range(8):
            altered = bytearray(raw)
            altered[place] ^= 1 << bit
            yield bytes(altered)


def good_cases(dialect, key):
    """What must be accepted: whole, nearly too old, and while a secret is rolled."""
    nearly = timedelta(minutes=MINUTES_MAX - 1)
    now = datetime.now(UTC)
    yield key, sign(dialect), BODY
    yield key, sign(dialect, now=now - nearly), BODY
    yield key, sign(dialect, now=now + nearly), BODY
    yield key, sign(dialect, secrets=[SECRET, OLD]), BODY
    yield key, sign(dialect, secrets=[STRANGER, SECRET]), BODY


def bad_cases(dialect, key):
    """What must be refused: any flipped bit, any other key, anything old or without shape."""
    headers = sign(dialect)
    covered = {
        "standard": ["webhook-id", "webhook-timestamp"],
        "x_zo": ["x-zo-timestamp"],
        "signature": [],
    }[dialect]
    signature = {
        "standard": "webhook-signature",
        "x_zo": "x-zo-signature",
        "signature": "signature",
    }[dialect]
    for altered in flipped(BODY):
        yield key, headers, altered
    for name in covered:
        for altered in flipped(headers[name].encode()):
            yield key, headers | {name: altered.decode("latin-1")}, BODY
    for text in ["", "v1", "v1,", "v1,é", "é" * 64, "0" * 64, headers[signature][:-4]]:
        yield key, headers | {signature: text}, BODY
    for name in [*covered, signature]:
        yield key, {other: value for other, value in headers.items() if other != name}, BODY
    yield key, {}, BODY
    yield key, sign(dialect, secrets=[STRANGER], token="tk_test_2"), BODY
    if covered:
        late = timedelta(minutes=MINUTES_MAX, seconds=30)
        now = datetime.now(UTC)
        for moment in (now - late, now + late):
            yield key, sign(dialect, now=moment), BODY
        for text in ["", "-1", "²" * 10, "9" * 5000, "nan"]:
            yield key, headers | {f"{covered[-1]}": text}, BODY


def ask(program, cases):
    written = [(key, headers, base64.b64encode(body).decode()) for key, headers, body in cases]
    end = subprocess.run(
        program,
        input=json.dumps(written),
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
    )
    assert end.returncode == 0, end.stderr
    return json.loads(end.stdout)


@pytest.fixture
def write(tmp_path):
    def write(file):
        path = tmp_path / file
        path.write_text(FILES[file])
        return str(path)

    return write


def needed(program):
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed here")
    return program


# --- Each language ---------------------------------------------------------------


@pytest.mark.parametrize(("file", "dialect", "key"), PYTHON)
def test_python_accepts_what_is_ours_and_nothing_else(write, file, dialect, key):
    program = [sys.executable, "-c", ASK_PYTHON, write(file)]
    good, bad = list(good_cases(dialect, key)), list(bad_cases(dialect, key))

    assert ask(program, good) == [True] * len(good)
    assert ask(program, bad) == [False] * len(bad)


@pytest.mark.parametrize(("file", "dialect", "key"), JAVASCRIPT)
def test_javascript_accepts_what_is_ours_and_nothing_else(write, file, dialect, key):
    program = [needed("node"), "-e", ASK_JAVASCRIPT, write(file)]
    good, bad = list(good_cases(dialect, key)), list(bad_cases(dialect, key))

    assert ask(program, good) == [True] * len(good)
    assert ask(program, bad) == [False] * len(bad)


@pytest.mark.parametrize(("file", "dialect", "key"), SHELL)
def test_a_shell_accepts_what_is_ours_and_nothing_else(write, file, dialect, key):
    needed("openssl")
    path = write(file)
    headers = sign(dialect)
    moment = next((name for name in headers if name.endswith("timestamp")), "")
    one_bit = [BODY[:-1] + b"|", b"z" + BODY[1:]]

    assert is_taken(path, key, headers, BODY)
    assert [is_taken(path, key, headers, body) for body in one_bit] == [False, False]
    assert not is_taken(path, "whsec_" + "AAAA" * 11, headers, BODY)
    if dialect != "signature":
        past = sign(dialect, now=datetime.now(UTC) - timedelta(minutes=6))
        later = str(int(headers[moment]) ^ 1)
        assert not is_taken(path, key, past, BODY)
        assert not is_taken(path, key, headers | {moment: later}, BODY)
        assert not is_taken(path, key, headers | {moment: "$(id)"}, BODY)
        assert not is_taken(path, key, headers | {moment: ""}, BODY)


def test_a_shell_looks_at_the_id_and_at_both_signatures(write):
    needed("openssl")
    path = write("verify.sh")
    both = sign("standard", secrets=[OLD, SECRET])

    assert is_taken(path, SECRET, both, BODY)
    assert is_taken(path, OLD, both, BODY)
    assert not is_taken(path, SECRET, both | {"webhook-id": "evt_0"}, BODY)
    assert not is_taken(path, SECRET, both | {"webhook-signature": "v1, v1,*"}, BODY)


def test_a_shell_without_openssl_accepts_nothing(write, tmp_path):
    path = write("verify.sh")
    broken = tmp_path / "openssl"
    broken.write_text("#!/bin/sh\ncat > /dev/null\n")
    broken.chmod(0o755)
    headers = sign("standard") | {"webhook-signature": "v1, v1,"}

    assert not is_taken(path, SECRET, headers, BODY, search=f"{tmp_path}:/usr/bin:/bin")


def is_taken(path, key, headers, body, *, search="/usr/local/bin:/usr/bin:/bin"):
    """Whether a script ends with 0, given the headers as variables and the body as input."""
    variables = {name.upper().replace("-", "_"): value for name, value in headers.items()}
    end = subprocess.run(
        ["sh", path],
        input=body,
        env=variables | {"SECRET": key, "TOKEN": key, "PATH": search},
        capture_output=True,
        timeout=SECONDS_MAX,
        check=False,
    )
    return (end.returncode, end.stdout) == (0, b"good\n")


def test_a_message_signed_by_hand_is_good(write):
    needed("openssl"), needed("curl")
    received = []
    settings = Settings(report=received.append, keys=Keys(secrets=[SECRET]), count=1)
    with Listener(0, settings) as listener:
        serving = Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        end = subprocess.run(
            ["sh", write("send.sh")],
            env={
                "PATH": "/usr/local/bin:/usr/bin:/bin",
                "SECRET": SECRET,
                "RECEIVER": f"http://127.0.0.1:{listener.server_port}/",
            },
            capture_output=True,
            text=True,
            timeout=SECONDS_MAX,
            check=False,
        )
        listener.shutdown()
        serving.join(SECONDS_MAX)

    assert (end.stdout, end.stderr) == ("200\n", "")
    assert [finding.says for finding in received[0].findings] == ["signature good"]


# --- What the page says of us ----------------------------------------------------


def rows(heading):
    """The rows of the first table below a heading, as lists of cells."""
    table = PAGE.split(f"\n## {heading}\n")[1].split("\n|", 1)[1].split("\n\n")[0]
    lines = [line.strip().strip("|").split("|") for line in table.splitlines()]
    return [[cell.strip() for cell in line] for line in lines[2:]]


def seconds(text):
    number, _, unit = text.partition(" ")
    return int(number) * {"": 1, "s": 1, "min": 60, "h": 3600}[unit]


def test_the_waits_are_those_we_wait():
    table = rows("When we try again")

    assert [int(row[0]) for row in table] == list(range(1, len(table) + 1))
    for column, names in ((1, ["standard", "signature"]), (2, ["x_zo"])):
        told = tuple(seconds(row[column]) for row in table if row[column])
        assert {dialect_named(name).schedule_seconds for name in names} == {told}


def test_the_headers_are_those_we_send():
    columns = {"standard": 1, "x_zo": 2, "signature": 3}
    told = {
        name: {row[0].strip("`").lower() for row in rows("Headers") if row[column]}
        for name, column in columns.items()
    }
    replayed = {
        name: dialect.headers(
            message_id="evt_1",
            event_type="payout.failed",
            body=BODY,
            secrets=[SECRET, OLD],
            now=datetime.now(UTC),
            is_replay=True,
            token=TOKEN,
        )
        for name, dialect in DIALECTS.items()
    }

    assert told == {name: {h.lower() for h in headers} for name, headers in replayed.items()}


def shape(value):
    """The members of a body, in their order, without what they hold."""
    if isinstance(value, dict):
        return {name: shape(member) for name, member in value.items()}
    if isinstance(value, list):
        return [shape(member) for member in value]
    return type(value).__name__


def test_the_example_is_what_a_delivered_payout_tells(live_api, finish):
    payout = live_api.pay(destination="0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed")
    finish()
    told = Message.objects.get(subject=payout["id"], type="payout.delivered")
    ours = json.loads(bytes(told.body))

    # As text, so that the order of the members counts too.
    assert json.dumps(shape(EXAMPLES[0])) == json.dumps(shape(ours))


def test_the_links_lead_somewhere():
    anchors = {
        re.sub(r"[^\w -]", "", title).strip().lower().replace(" ", "-")
        for title in re.findall(r"^#+ (.*)$", PAGE, re.MULTILINE)
    }

    assert set(re.findall(r"\]\(#([^)]+)\)", PAGE)) <= anchors
    for file in re.findall(r"\]\(([\w/-]+\.md)", PAGE):
        assert (Path(__file__).parents[2] / "docs" / file).exists()
