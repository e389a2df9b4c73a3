"""What people read: the table of errors, its page, the reference."""

import importlib
import pkgutil
import re
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.staticfiles import finders

import connect
import engine
import payments
from connect.pages import error_tables
from engine.common.errors import Conflict, RequestRefused, Unprocessable
from engine.payouts.failures import FAILURES

# Only their leaves are ever raised.
ABSTRACT = {RequestRefused, Conflict, Unprocessable}


def refusals():
    """Every refusal there is, in every module of the house."""
    for package in (connect, engine, payments):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if module.name.rpartition(".")[2] in {"errors", "services", "api", "redirects"}:
                importlib.import_module(module.name)
    found, waiting = set(), [RequestRefused]
    while waiting:
        refusal = waiting.pop()
        waiting += refusal.__subclasses__()
        if refusal.__module__.startswith(("engine", "connect", "payments")):
            found.add(refusal)
    return found - ABSTRACT


def test_every_code_of_the_code_is_in_the_table_and_no_other():
    refused, failed = error_tables()

    assert sorted(line.code for line in refused.lines) == sorted(
        {refusal.code for refusal in refusals()}
    )
    assert sorted(line.code for line in failed.lines) == sorted(FAILURES)


def test_the_table_tells_status_and_retry_as_the_code_does():
    told = {line.code: dict(line.named) for line in error_tables()[0].lines}

    for refusal in refusals():
        line = told[refusal.code]
        assert line["Status"] == str(refusal.http_status), refusal
        assert line["Retry?"] == ("yes" if refusal.retryable else "no"), refusal


def test_the_table_tells_of_failures_what_the_code_does():
    told = {line.code: dict(line.named) for line in error_tables()[1].lines}

    for failure in FAILURES.values():
        assert told[failure.code]["Retry?"] == ("yes" if failure.is_retryable else "no")
        assert failure.message.startswith(told[failure.code]["Meaning"].rstrip("."))


def test_every_failure_a_rail_may_give_has_words():
    sources = [
        path.read_text()
        for path in Path(settings.BASE_DIR, "engine", "rails").rglob("*")
        if path.suffix in {".py", ".sql"} and "migrations" not in path.parts
    ]
    named = {
        code
        for text in sources
        for code in re.findall(r'failure_code: str = "(\w+)"|failure_code="(\w+)"', text)
        for code in code
        if code
    } | {"destination_rejected", "transfer_reverted"}

    assert named <= set(FAILURES)


def test_every_problem_s_type_is_a_page_with_that_anchor(client, test_api):
    problem = test_api.get("/payouts/nothing").json()
    address, _, anchor = problem["type"].partition("#")
    page = client.get(address.removeprefix(settings.ZOPAY_PUBLIC_URL))

    assert page.status_code == 200
    assert f'id="{anchor}"' in page.text
    for line in error_tables()[0].lines:
        assert page.text.count(f'id="{line.code}"') == 1
    assert "style-src 'self'" in page["Content-Security-Policy"]


def test_the_reference_asks_nobody_else_for_anything(client):
    page = client.get("/connect/v1/reference")

    assert page.status_code == 200
    assert re.findall(r'(?:src|href)="(https?:|//)', page.text) == []
    assert "<script>" not in page.text
    assert " style=" not in page.text
    policy = page["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert page["X-Frame-Options"] == "DENY"
    for address in re.findall(r'(?:src|href)="(/static/[^"]+)"', page.text):
        assert finders.find(address.removeprefix("/static/")), address


@pytest.mark.parametrize(
    "path", ["/connect/v1/reference", "/connect/v1/openapi.json", "/docs/errors"]
)
def test_documents_are_only_read(client, path):
    assert client.head(path).status_code == 200
    assert client.post(path).status_code == 405


def test_every_answer_is_named_and_kept_by_nobody(test_api):
    answers = [test_api.get("/networks"), test_api.get("/nowhere"), test_api.get("/payouts/x")]

    assert len({answer["Request-Id"] for answer in answers}) == 3
    assert all(re.fullmatch(r"req_[0-9a-f]{32}", answer["Request-Id"]) for answer in answers)
    assert answers[0]["Cache-Control"] == "no-store"


def test_calls_are_counted_by_key_and_told(test_api, live_api, settings):
    from connect.base import RATE_LIMIT

    RATE_LIMIT.forget()
    settings.RATE_LIMIT_PER_MINUTE = 3
    left = [test_api.get("/networks")["RateLimit"] for _ in range(3)]
    refused = test_api.get("/networks")

    assert [re.search(r"r=(\d+)", line)[1] for line in left] == ["2", "1", "0"]
    assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
    assert 1 <= int(refused["Retry-After"]) <= 60
    assert refused["RateLimit-Policy"] == '"default";q=3;w=60'
    assert "r=0" in refused["RateLimit"]
    assert live_api.get("/networks").status_code == 200
    RATE_LIMIT.forget()
