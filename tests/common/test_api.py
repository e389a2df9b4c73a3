"""Refusals as problem documents, whoever raised them."""

import orjson
import pytest
from django.db import InterfaceError, OperationalError
from django.http import Http404
from django.test import RequestFactory
from rest_framework import exceptions as drf
from rest_framework.exceptions import ErrorDetail

from engine.common import errors
from engine.common.api import problem_response, respond_to_error


@pytest.fixture
def request_():
    request = RequestFactory().get("/connect/v1/payouts")
    request.META["zopay.request_id"] = "req_1"
    return request


def answer_to(error, request):
    class Wrapped:
        _request = request

    return respond_to_error(error, {"request": Wrapped()})


def test_a_refusal_is_a_problem_with_our_members(request_, settings):
    answer = answer_to(errors.RateLimited(retry_after_seconds=7), request_)

    assert answer.status_code == 429
    assert answer.content_type == "application/problem+json"
    assert answer.headers["Retry-After"] == "7"
    assert answer.data == {
        "type": f"{settings.ZOPAY_PUBLIC_URL}/docs/errors#rate_limited",
        "title": "Too many requests",
        "status": 429,
        "detail": "Too many requests. Try again in 7 s.",
        "code": "rate_limited",
        "request_id": "req_1",
        "retryable": True,
    }


def test_details_become_members(request_):
    answer = answer_to(errors.NotFound("Gone.", known=["a"]), request_)

    assert answer.data["known"] == ["a"]


def test_fields_are_pointed_at(request_):
    mistakes = {
        "a/b": [ErrorDetail("no", code="bad")],
        "list": [{}, {"x": [ErrorDetail("no", code="bad")]}],
        "non_field_errors": [ErrorDetail("all wrong", code="bad")],
    }
    answer = answer_to(drf.ValidationError(mistakes), request_)

    assert [one["pointer"] for one in answer.data["errors"]] == ["/a~1b", "/list/x", ""]


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (drf.ParseError(), 400, "invalid_input"),
        (drf.MethodNotAllowed("PUT"), 405, "method_not_allowed"),
        (Http404(), 404, "not_found"),
        (drf.NotFound(), 404, "not_found"),
        (OperationalError("gone"), 503, "unavailable"),
        (InterfaceError("closed"), 503, "unavailable"),
    ],
)
def test_what_others_raise_is_told_in_our_words(request_, error, status, code):
    answer = answer_to(error, request_)

    assert (answer.status_code, answer.data["code"]) == (status, code)


def test_what_nobody_foresaw_is_not_told(request_):
    assert answer_to(ValueError("secret"), request_) is None


def test_outside_drf_the_document_is_the_same(request_):
    refusal = errors.NotFound("There is nothing at this address.")
    answer = problem_response(refusal, request_)

    assert orjson.loads(answer.content) == answer_to(refusal, request_).data
    assert answer["Content-Type"] == "application/problem+json"
