"""The front page, robots, and the two questions of whoever runs the house."""

import pytest
from django.db import connection
from django.utils import timezone

from engine.payouts.models import Freeze, Payout
from engine.rails.models import DepositWatch


def test_the_front_page_says_what_this_is_and_where_to_go(client, db):
    response = client.get("/")
    html = response.content.decode()

    assert response.status_code == 200
    assert 'href="/connect/v1/reference"' in html
    assert 'href="/admin/"' in html


def test_the_front_page_speaks_french(client, db):
    html = client.get("/", headers={"accept-language": "fr-CM"}).content.decode()

    assert "Un système de paiements" in html


def test_robots_stay_away_from_links(client, db):
    response = client.get("/robots.txt")

    assert response["Content-Type"] == "text/plain"
    assert "Disallow: /t/" in response.content.decode().splitlines()


@pytest.mark.parametrize("path", ["/nothing", "/t", "/t/", "/t/a/b/c", "/t/a/now/"])
def test_an_address_with_nothing_at_it_says_so_in_plain_words(client, db, path):
    response = client.get(path)

    assert response.status_code == 404
    assert "There is nothing here" in response.content.decode()
    assert f'"{path}' not in response.content.decode()


def test_alive_asks_nobody(client, django_assert_num_queries, db):
    with django_assert_num_queries(0):
        response = client.get("/healthz")

    assert (response.status_code, response.json()) == (200, {"status": "alive"})
    assert response["Cache-Control"] == "no-store"


def test_ready_says_what_it_looked_at(client, db):
    response = client.get("/readyz")

    assert response.status_code == 200
    assert response.json() == {
        "status": "ready",
        "database": True,
        "broker": True,
        "oldest_due_seconds": 0,
        "oldest_due_seconds_max": 60,
        "frozen": [],
        "restored": False,
        "deposits_halted": [],
    }


def test_work_left_lying_makes_it_not_ready(client, begin):
    story = begin()
    Payout.objects.filter(pk=story.id).update(due_at="2020-01-01T00:00:00Z")
    response = client.get("/readyz")

    assert response.status_code == 503
    assert response.json()["status"] == "not ready"
    assert response.json()["oldest_due_seconds"] > 60


def test_a_freeze_is_shown_without_its_reason_and_is_no_fault(client, db):
    Freeze.objects.create(network="", reason="stolen key")
    Freeze.objects.create(network="tron", reason="node behind")
    response = client.get("/readyz")

    assert response.status_code == 200
    assert response.json()["frozen"] == ["everything", "tron"]
    assert b"stolen" not in response.content


def test_a_network_that_is_searched_no_more_is_shown_without_its_reason(client, db):
    DepositWatch.objects.create(network="base", next_block=1)
    DepositWatch.objects.create(
        network="polygon", next_block=1, halted_at=timezone.now(), halted_why="reorganised"
    )
    response = client.get("/readyz")

    assert response.status_code == 200
    assert response.json()["deposits_halted"] == ["polygon"]
    assert b"reorganised" not in response.content


def test_no_broker_is_said_within_seconds(client, db, settings):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    response = client.get("/readyz")

    assert response.status_code == 503
    assert (response.json()["database"], response.json()["broker"]) == (True, False)


def test_a_database_that_answers_errors_is_not_ready(client, db):
    with connection.execute_wrapper(_refuse):
        response = client.get("/readyz")

    assert response.status_code == 503
    assert (response.json()["database"], response.json()["frozen"]) == (False, None)


def _refuse(execute, sql, params, many, context):
    from django.db import OperationalError

    raise OperationalError("the server closed the connection")
