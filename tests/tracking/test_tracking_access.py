"""Who may look, how often, from where, and at what cost."""

from time import perf_counter

import pytest
from django.test import Client

from engine.common.ids import new_id
from engine.payouts.links import tracking_token
from tests.cast import drain_once

HEADERS = {
    "Cache-Control": "private, no-store",
    "X-Robots-Tag": "noindex, nofollow",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def policy(response):
    """The Content-Security-Policy, by directive."""
    parts = (part.split() for part in response["Content-Security-Policy"].split(";"))
    return {name: sources for name, *sources in parts}


@pytest.fixture
def story(begin):
    return begin().send()


@pytest.mark.parametrize("path", ["", "/now"])
def test_a_link_is_a_secret_and_its_answers_say_so(story, client, path):
    response = client.get(story.url + path)

    assert {name: response[name] for name in HEADERS} == HEADERS
    assert "Accept-Language" in response["Vary"]
    assert policy(response) == {
        "default-src": ["'none'"],
        "style-src": ["'self'"],
        "script-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "form-action": ["'self'"],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
    }
    assert response["X-Frame-Options"] == "DENY"
    assert response.cookies == {}


def test_only_the_partners_own_sites_may_frame_it(story, acme, client):
    acme.frame_hosts = ["pay.example.com", "app.example.org"]
    acme.save()
    response = client.get(story.url)

    assert policy(response)["frame-ancestors"] == [
        "https://pay.example.com",
        "https://app.example.org",
    ]
    assert policy(response)["default-src"] == ["'none'"]
    assert "X-Frame-Options" not in response


def test_every_link_that_opens_nothing_gets_the_same_answer(story, client):
    token = story.token
    flipped = ("B" if token[0] == "A" else "A") + token[1:]
    tokens = [
        flipped,
        token[:-1],
        token + "A",
        token[::-1],
        token.lower(),
        tracking_token(new_id()),
        "x",
        "%20",
        "é" * 43,
        "pay_" + story.id.hex,
        str(story.id),
    ]
    answers = [client.get(f"/t/{wrong}{path}") for wrong in tokens for path in ("", "/now")]

    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.content for answer in answers}) == 1
    varying = {"Request-Id"}
    assert (
        len({str({k: v for k, v in answer.items() if k not in varying}) for answer in answers})
        == 1
    )
    assert answers[0]["Cache-Control"] == "private, no-store"


def test_each_character_of_a_token_counts(story, client):
    for place, character in enumerate(story.token):
        other = "A" if character != "A" else "B"
        forged = story.token[:place] + other + story.token[place + 1 :]
        assert client.get(f"/t/{forged}").status_code == 404
        if place % 10 == 0:
            assert client.get(f"/t/{forged}/now").status_code == 404


def test_looking_is_all_one_can_do(story, client):
    for verb in ("post", "put", "patch", "delete"):
        assert getattr(client, verb)(story.url).status_code == 405
    assert client.head(story.url).status_code == 200


def test_a_link_is_never_logged(story, settings, client, caplog):
    client.post(story.url)
    client.get(f"{story.url}/now")
    client.get(f"{story.url}x")
    settings.PAGE_RATE_LIMIT_PER_MINUTE = 0
    assert client.get(story.url).status_code == 429

    assert story.token not in caplog.text


def test_one_address_may_not_ask_without_end(story, settings, begin):
    settings.PAGE_RATE_LIMIT_PER_MINUTE = 3
    client, other = Client(REMOTE_ADDR="192.0.2.1"), Client(REMOTE_ADDR="192.0.2.2")
    assert [client.get(story.url).status_code for _ in range(3)] == [200, 200, 200]

    refused = client.get(f"{story.url}/now")

    assert refused.status_code == 429
    assert 1 <= int(refused["Retry-After"]) <= 60
    assert refused["Cache-Control"] == "private, no-store"
    assert client.get("/t/wrong").status_code == 429
    assert other.get(story.url).status_code == 200


def test_a_poll_that_finds_nothing_new_is_a_304_without_a_body(story, client):
    story.promise(600)
    first = client.get(f"{story.url}/now", {"lang": "en"})
    again = client.get(
        f"{story.url}/now", {"lang": "en"}, headers={"if-none-match": first["ETag"]}
    )

    assert first.status_code == 200
    assert (again.status_code, again.content) == (304, b"")
    assert again["ETag"] == first["ETag"]
    assert again["Cache-Control"] == "private, no-store"


def test_every_change_a_reader_can_see_has_another_etag(begin, client):
    story = begin().promise(600)
    seen = []

    def look(language="en"):
        seen.append(client.get(f"{story.url}/now", {"lang": language})["ETag"])

    look()
    look("fr")
    story.send(300)
    look()
    story.confirm(0, 20)
    look()
    story.confirm(1, 20)
    look()
    story.estimate(200)
    look()
    story.estimate(-1)
    look()
    story.estimate(1200)
    look()
    story.cross(300)
    look()
    story.deliver()
    look()

    assert len(set(seen)) == len(seen) == 10


def test_the_page_and_its_poll_cannot_disagree(story, client):
    story.promise(600)
    page = client.get(story.url, {"lang": "fr"}).content.decode()
    poll = client.get(f"{story.url}/now", {"lang": "fr"})

    assert poll.content.decode().strip() in page
    assert poll["ETag"].replace('"', "&quot;") in page
    assert f'data-now-url="{story.url}/now?lang=fr"' in page


def test_a_page_costs_two_queries_and_an_idle_poll_one(
    story, client, django_assert_num_queries
):
    story.promise(600)
    with django_assert_num_queries(2):
        client.get(story.url)
    with django_assert_num_queries(2):
        etag = client.get(f"{story.url}/now")["ETag"]
    with django_assert_num_queries(1):
        client.get(f"{story.url}/now", headers={"if-none-match": etag})
    with django_assert_num_queries(0):
        client.get("/t/" + "A" * 43)


def test_a_page_is_drawn_in_milliseconds(story, client, settings):
    settings.PAGE_RATE_LIMIT_PER_MINUTE = 10_000
    client.get(story.url)

    def best_of(url, **headers):
        times = []
        for _ in range(20):
            began = perf_counter()
            client.get(url, headers=headers)
            times.append(perf_counter() - began)
        return 1000 * min(times)

    etag = client.get(f"{story.url}/now")["ETag"]
    page, poll = best_of(story.url), best_of(f"{story.url}/now", **{"if-none-match": etag})

    print(f"page {page:.1f} ms, idle poll {poll:.1f} ms")
    assert page < 100
    assert poll < 50


@pytest.mark.django_db(transaction=True)
def test_the_simulated_rail_s_whole_life_can_be_watched(begin, client, settings):
    settings.SIMULATED_SEEN_SECONDS = settings.SIMULATED_FINAL_SECONDS = 0
    settings.RESUBMIT_SECONDS = 0
    story = begin(rail="simulated", source="tron", target="tron")
    titles = []
    for _ in range(6):
        html = client.get(story.url).content.decode()
        titles.append(html.partition("<title>")[2].partition("</title>")[0])
        drain_once()

    assert titles[0] == "Preparing your payout."
    assert titles[-1] == "Delivered."
