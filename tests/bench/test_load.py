"""The load generator: whole answers, every failure, and the pace that was asked for."""

import pytest

from bench.load import Driven, drive, is_whole, request
from tests.bench.serving import serving

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no", False),
        (OK, True),
        (b"HTTP/1.1 200 OK\r\ncontent-length:0\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", False),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", True),
        (b"HTTP/1.1 304 Not Modified\r\nEtag: 1\r\n\r\n", True),
    ],
)
def test_an_answer_is_whole_at_its_last_byte(answer, expected):
    assert is_whole(answer) is expected


def test_a_request_is_what_http_wants():
    asked = request("POST", "/a", key="sk_1", body=b"{}", headers="Idempotency-Key: 1")

    assert asked == (
        b"POST /a HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer sk_1\r\n"
        b"Idempotency-Key: 1\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
    )


def test_every_request_is_sent_once_and_counted():
    with serving(lambda _request: OK) as server:
        driven = drive(server.port, [request("GET", f"/{n}") for n in range(50)], clients=4)

    assert sorted(server.paths) == sorted(f"/{n}" for n in range(50))
    assert (driven.calls, dict(driven.failures)) == (50, {})
    assert driven.seconds > 0
    assert driven.per_second == 50 / driven.seconds


def test_an_answer_that_is_no_success_is_a_failure_with_its_words():
    def answer(asked):
        return (
            OK if b"/good" in asked else b"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nlate"
        )

    with serving(answer) as server:
        asked = [request("GET", path) for path in ("/good", "/bad", "/bad")]
        driven = drive(server.port, asked, clients=1)

    assert dict(driven.failures) == {"HTTP/1.1 503 Busy": 2}
    assert driven.answers == [b"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nlate"] * 2


def test_a_pace_is_kept():
    with serving(lambda _request: OK) as server:
        driven = drive(server.port, [request("GET", "/")] * 20, clients=4, per_second=100)

    # The first goes at once, the last after nineteen hundredths of a second.
    assert driven.seconds >= 0.19
    assert driven.calls == 20


def test_a_server_that_hangs_up_is_an_error():
    with serving(lambda _request: b"") as server, pytest.raises(ConnectionError):
        drive(server.port, [request("GET", "/")], clients=1)


def test_percentiles_are_of_calls():
    driven = Driven()
    driven.latencies.extend(n / 1000 for n in range(1, 102))

    assert driven.milliseconds(0.5) == pytest.approx(51)
    assert driven.milliseconds(0.99) == pytest.approx(100)
    assert Driven().milliseconds(0.5) == 0
