"""Ports: remembered when they can be, and a sentence when the web server's is taken."""

import socket

import pytest

from zopay_site.embedded import ports
from zopay_site.embedded.say import Stop


@pytest.fixture
def taken():
    with socket.socket() as somebody:
        somebody.bind(("127.0.0.1", 0))
        somebody.listen()
        yield somebody.getsockname()[1]


def test_a_taken_port_is_a_sentence_with_a_next_step(taken):
    with pytest.raises(Stop) as stop:
        ports.refuse_if_taken(taken)

    assert f"Port {taken} on 127.0.0.1 is taken" in stop.value.sentence
    port = int(stop.value.then.removeprefix("ZOPAY_PORT=").removesuffix(" bin/up"))
    assert ports.is_free(port)


def test_a_free_port_is_no_matter():
    ports.refuse_if_taken(ports.pick())


def test_a_port_is_the_same_the_next_time(tmp_path):
    assert ports.remembered(tmp_path, "postgres") == ports.remembered(tmp_path, "postgres")


def test_a_port_that_was_taken_meanwhile_is_replaced_for_good(tmp_path, taken):
    ports.remember(tmp_path, "postgres", taken)

    port = ports.remembered(tmp_path, "postgres")

    assert port != taken
    assert ports.recall(tmp_path, "postgres") == port


def test_a_spoilt_list_of_ports_is_begun_again(tmp_path):
    (tmp_path / "ports.json").write_text("{half a")

    port = ports.remembered(tmp_path, "valkey")

    assert ports.recall(tmp_path, "valkey") == port


@pytest.mark.parametrize("text", ["abc", "0", "65536", "-1", "80 80", "８０００"])
def test_what_is_no_port_is_said_to_be_none(monkeypatch, text):
    monkeypatch.setenv("ZOPAY_PORT", text)

    with pytest.raises(Stop, match="is not a port"):
        ports.web_port()


def test_the_web_port_is_8000_unless_said_otherwise(monkeypatch):
    monkeypatch.delenv("ZOPAY_PORT", raising=False)
    assert ports.web_port() == 8000

    monkeypatch.setenv("ZOPAY_PORT", "8123")
    assert ports.web_port() == 8123
