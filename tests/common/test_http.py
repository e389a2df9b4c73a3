"""The one way out, against receivers on this machine that behave as badly as they can."""

import gzip
import socket
from threading import Event, Thread
from time import monotonic

import pytest

from engine.common.http import AddressRefused, NoAnswer, post
from tests.internet import METADATA, PUBLIC, Internet
from tests.receiver import OK, Receiver, drip

SECRET = "whsec_never-in-a-message"
# A machine under load may be late; one that waits for ever is never this early.
LATE_SECONDS = 3


@pytest.fixture
def internet(monkeypatch):
    return Internet(monkeypatch)


def send(url, body=b"{}", headers=None, **options):
    return post(url, body=body, headers=headers or {}, allow_loopback=True, **options)


def no_answer(url, **options):
    """Returns the failure, after making sure that it gives nothing away."""
    with pytest.raises(NoAnswer) as failed:
        send(f"{url}{SECRET}", headers={"X-Signature": SECRET}, **options)
    error = failed.value
    assert SECRET not in repr(error) + error.message + repr(error.details)
    assert error.__cause__ is None
    assert error.__context__ is None
    return error


def test_the_request_arrives_byte_for_byte():
    with Receiver() as receiver:
        send(
            f"{receiver.url}in?a=%2F",
            body=b'{"a":1}',
            headers={"Content-Type": "application/json", "webhook-id": "evt_1"},
        )

    assert receiver.requests == [
        b"POST /in?a=%2F HTTP/1.1\r\n"
        b"Host: 127.0.0.1:" + str(receiver.port).encode() + b"\r\n"
        b"Content-Type: application/json\r\n"
        b"webhook-id: evt_1\r\n"
        b"Content-Length: 7\r\n"
        b"Accept-Encoding: identity\r\n"
        b"Connection: close\r\n"
        b"\r\n"
        b'{"a":1}'
    ]


def test_the_reply_is_told_with_its_headers_in_lower_case():
    answer = (
        b"HTTP/1.1 429 Too Many\r\nRetry-After: 7\r\nX-A: 1\r\nx-a: 2\r\n"
        b"Content-Length: 5\r\n\r\nlater"
    )
    with Receiver(answer) as receiver:
        reply = send(receiver.url)

    assert (reply.status, reply.head) == (429, b"later")
    assert reply.headers == {"retry-after": "7", "x-a": "1, 2", "content-length": "5"}
    assert 0 <= reply.milliseconds < LATE_SECONDS * 1000


@pytest.mark.parametrize("status", [200, 204, 300, 304, 400, 410, 500, 503, 599])
def test_every_status_is_an_answer(status):
    with Receiver(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % status) as receiver:
        assert send(receiver.url).status == status


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("place", ["metadata", "receiver"])
def test_a_redirect_is_an_answer_and_not_followed(internet, status, place):
    with Receiver() as trap:
        location = f"http://{METADATA}/latest/meta-data/" if place == "metadata" else trap.url
        answer = b"HTTP/1.1 %d Moved\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n"
        with Receiver(answer % (status, location.encode())) as receiver:
            reply = send(receiver.url)

    assert (reply.status, reply.headers["location"]) == (status, location)
    assert internet.asked == internet.dialled == ["127.0.0.1"]
    assert (receiver.connections, trap.connections) == (1, 0)


@pytest.mark.parametrize(
    "url",
    [
        "https://partner.com\\@127.0.0.1/",
        "https://user:pass@127.0.0.1/",
        f"http://{METADATA}/",
        "https://0x7f000001/",
        "http://partner.com/",
        "https://partner.com:22/",
    ],
)
def test_a_url_that_registration_refuses_is_refused_again_here(internet, url):
    with pytest.raises(AddressRefused):
        send(url)

    assert internet.asked == internet.dialled == []


def test_without_the_development_setting_loopback_is_refused(internet):
    with Receiver() as receiver, pytest.raises(AddressRefused) as refused:
        post(receiver.url, body=b"", headers={})

    assert refused.value.reason == "numeric_host"
    assert receiver.connections == 0


def test_a_machine_that_calls_another_localhost_is_not_believed(internet):
    internet.names["localhost"] = [["127.0.0.1", PUBLIC]]

    with pytest.raises(AddressRefused) as refused:
        send("http://localhost:9000/")

    assert refused.value.reason == "private_address"
    assert internet.dialled == []


def test_proxies_of_the_environment_are_not_used(monkeypatch):
    with Receiver() as proxy, Receiver() as receiver:
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
            monkeypatch.setenv(name.upper(), proxy.url)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)

        assert send(receiver.url).status == 200

    assert (proxy.connections, receiver.connections) == (0, 1)


@pytest.mark.parametrize(
    "headers",
    [
        {"X-A": f"{SECRET}\r\nX-B: 1"},
        {"X-A": f"{SECRET}\n"},
        {"X-A": f"{SECRET}\x00"},
        {"X-A": f" {SECRET}"},
        {"X-A": f"{SECRET}é"},
        {f"X-A: {SECRET}\r\nX-B": "1"},
        {"": SECRET},
        {"Host": SECRET},
        {"content-length": "3"},
        {"Transfer-Encoding": "chunked"},
        {"Connection": "keep-alive"},
    ],
)
def test_a_header_cannot_become_two_nor_take_the_place_of_ours(headers):
    with Receiver() as receiver, pytest.raises(ValueError, match="header") as error:
        send(receiver.url, headers=headers)

    assert SECRET not in str(error.value)
    assert receiver.connections == 0


@pytest.mark.parametrize("part", ["status line", "headers", "body", "chunk size"])
def test_a_receiver_that_drips_is_left_when_the_time_is_over(part):
    answers = {
        "status line": lambda: drip(b"HTTP/1.1 200 OKAY"),
        "headers": lambda: drip(b"HTTP/1.1 200 OK\r\nX-A: a"),
        "body": lambda: drip(b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\nbody"),
        "chunk size": lambda: drip(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;extension"
        ),
    }
    with Receiver(answers[part]) as receiver:
        started = monotonic()
        failure = no_answer(receiver.url, timeout_seconds=0.8)
        took = monotonic() - started

    assert failure.reason == "timeout"
    assert 0.8 <= took < LATE_SECONDS
    assert 800 <= failure.milliseconds <= took * 1000 + 1


def test_a_receiver_that_says_nothing_is_left_when_the_time_is_over():
    said = Event()

    def nothing():
        said.wait(10)
        yield b""

    with Receiver(nothing) as receiver:
        assert no_answer(receiver.url, timeout_seconds=0.3).reason == "timeout"
        said.set()


def test_a_receiver_that_does_not_read_is_left_when_the_time_is_over():
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        started = monotonic()
        failure = no_answer(
            f"http://127.0.0.1:{deaf.getsockname()[1]}/",
            body=b"a" * 30_000_000,
            timeout_seconds=0.3,
        )

    assert failure.reason == "timeout"
    assert monotonic() - started < LATE_SECONDS


def test_looking_up_and_answering_share_one_limit(internet):
    """0.5 s for the name and then silence: 0.8 s together, not one after the other."""
    slow, over = Event(), Event()

    def look_up():
        slow.wait(0.5)
        return ["127.0.0.1"]

    def silence():
        over.wait(10)
        yield b""

    internet.names["localhost"] = [look_up]
    with Receiver(silence) as receiver:
        failure = no_answer(f"http://localhost:{receiver.port}/", timeout_seconds=0.8)
        over.set()

    assert failure.reason == "timeout"
    assert 800 <= failure.milliseconds < 1200
    assert receiver.connections == 1


def test_a_resolver_that_hangs_is_left_when_the_time_is_over(internet):
    over = Event()

    def hang():
        over.wait(10)
        return ["127.0.0.1"]

    internet.names["localhost"] = [hang]
    failure = no_answer("http://localhost:9000/", timeout_seconds=0.3)
    over.set()

    assert failure.reason == "timeout"
    assert 300 <= failure.milliseconds < LATE_SECONDS * 1000
    assert internet.dialled == []


def test_a_name_that_does_not_resolve_is_told(internet):
    internet.names["gone.partner.com"] = [socket.gaierror(-2, "Name or service not known")]

    assert no_answer("https://gone.partner.com/").reason == "dns"
    assert internet.dialled == []


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ConnectionRefusedError(), "refused"),
        (OSError(101, "Network is unreachable"), "unreachable"),
        (OSError(113, "No route to host"), "unreachable"),
        (TimeoutError(), "timeout"),
    ],
)
def test_a_wire_that_is_cut_is_told(internet, error, reason):
    internet.wires["127.0.0.1"] = error

    assert no_answer("http://127.0.0.1:9000/").reason == reason


@pytest.mark.parametrize("framing", [b"Content-Length: 9999999", b"Connection: close"])
def test_of_a_big_reply_64_kb_are_read_and_2_kb_kept(internet, framing):
    def flood():
        yield b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n\r\n"
        for number in range(200):
            yield bytes([65 + number % 26]) * 50_000

    with Receiver(flood) as receiver:
        reply = send(receiver.url)

    # The receiver here reads through the same wires: what it read is not the reply.
    assert internet.bytes_read - sum(map(len, receiver.requests)) == 65_536
    assert (reply.status, reply.head) == (200, b"A" * 2048)


def test_a_reply_is_not_decompressed():
    bomb = gzip.compress(b"\x00" * 1_000_000)
    answer = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n"
    with Receiver(answer % len(bomb) + bomb) as receiver:
        assert send(receiver.url).head == bomb


def test_headers_without_end_are_left_at_64_kb(internet):
    def flood():
        yield b"HTTP/1.1 200 OK\r\n"
        while True:
            yield b"X-A: " + b"a" * 1000 + b"\r\n"

    with Receiver(flood) as receiver:
        assert no_answer(receiver.url).reason == "too_large"
    assert internet.bytes_read - sum(map(len, receiver.requests)) == 65_536


def test_interim_answers_without_end_are_left_at_64_kb():
    def flood():
        while True:
            yield b"HTTP/1.1 100 Continue\r\n\r\n" * 100

    with Receiver(flood) as receiver:
        assert no_answer(receiver.url).reason == "too_large"


def test_an_interim_answer_is_passed_over():
    with Receiver(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK) as receiver:
        assert send(receiver.url).head == b"ok"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"", "disconnected"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "protocol"),
        (b"HTTP/1.1 200 OK\r\nContent-Len", "protocol"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", "protocol"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n", "protocol"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", "protocol"),
        (b"HTTP/1.1 200 OK\r\nX-A: a\x00b\r\n\r\n", "protocol"),
        (b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\n\r\n\x81\x00", "protocol"),
        (b"\x15\x03\x01\x00\x02\x02\x50", "protocol"),
    ],
)
def test_what_is_not_an_answer_is_told_as_none(answer, reason):
    with Receiver(answer) as receiver:
        assert no_answer(receiver.url).reason == reason


def test_an_answer_before_the_whole_request_was_read_counts():
    """The receiver refuses a big body, and closes with most of it unread."""
    listening = socket.create_server(("127.0.0.1", 0))

    def refuse():
        with listening, listening.accept()[0] as connection:
            connection.recv(1000)
            connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")

    answering = Thread(target=refuse, daemon=True)
    answering.start()
    reply = send(f"http://127.0.0.1:{listening.getsockname()[1]}/", body=b"a" * 30_000_000)
    answering.join(10)

    assert reply.status == 413
