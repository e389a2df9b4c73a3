"""The OpenAPI document, against the server it describes."""

import json

import pytest
import schemathesis
from django.core.management import call_command
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from drf_spectacular.drainage import GENERATOR_STATS
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from connect.examples import EXAMPLES
from tests.cast import BASE

EXAMPLES_MAX = 40
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
    unsupported_method,
]


@pytest.fixture
def document(client):
    return client.get(f"{BASE}/openapi.json").json()


def operations(document):
    return {
        operation["operationId"]: (path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def test_the_document_is_of_version_3_1_and_made_without_a_warning(document, capsys):
    assert document["openapi"].startswith("3.1")
    assert document["servers"] == [{"url": "http://127.0.0.1:8000"}]
    assert (dict(GENERATOR_STATS._warn_cache), dict(GENERATOR_STATS._error_cache)) == ({}, {})
    call_command("spectacular", "--validate", "--fail-on-warn")


def test_every_operation_of_the_contract_is_there_and_has_a_name(document):
    assert sorted(operations(document)) == sorted(
        [
            "createPayoutQuote",
            "createPayout",
            "createPayoutBatch",
            "listPayouts",
            "getPayout",
            "createAddress",
            "listAddresses",
            "getAddress",
            "getBalances",
            "getBalancesOfUser",
            "listTransactions",
            "getTransaction",
            "listNetworks",
            "checkDestination",
            "createSandboxDeposit",
            "advanceSandboxPayout",
            "createWebhookEndpoint",
            "listWebhookEndpoints",
            "getWebhookEndpoint",
            "updateWebhookEndpoint",
            "deleteWebhookEndpoint",
            "rollWebhookSecret",
            "testWebhookEndpoint",
            "listEvents",
            "getEvent",
            "resendEvent",
            "resendEvents",
        ]
    )


def test_every_refusal_is_a_problem_document(document):
    for path, method, operation in operations(document).values():
        assert operation["security"] == [{"ApiKey": []}], (path, method)
        for status, response in operation["responses"].items():
            wanted = "application/json" if status < "300" else "application/problem+json"
            found = list(response.get("content", []))
            assert found == ([] if status == "204" else [wanted]), (path, method, status)
            assert "Request-Id" in response["headers"]


def test_where_a_key_is_honoured_the_document_says_so(document):
    keyed = {
        name
        for name, (_, _, operation) in operations(document).items()
        if any(p["name"] == "Idempotency-Key" for p in operation.get("parameters", []))
    }

    assert keyed == {
        "createPayoutQuote",
        "createPayout",
        "createPayoutBatch",
        "createAddress",
        "createSandboxDeposit",
        "advanceSandboxPayout",
        "testWebhookEndpoint",
        "resendEvent",
        "resendEvents",
    }


def test_every_example_of_a_request_is_accepted(document, test_api):
    sent = [name.removesuffix(" request") for name in EXAMPLES if name.endswith(" request")]
    assert len(sent) == 7

    for name in sent:
        path, method, _ = operations(document)[name]
        answer = getattr(test_api, method)(path.removeprefix(BASE), EXAMPLES[f"{name} request"])
        assert answer.status_code in {200, 201, 202}, answer.content


@pytest.fixture
def app(test_api, finish):
    """The document loaded over WSGI, and ids that exist for it to try."""
    from zopay_site.wsgi import application

    payout = test_api.pay(amount="100.03")["id"]
    test_api.pay(amount="50.02")
    test_api.pay(amount="60")
    address = test_api.post("/addresses", {"asset": "USDT", "network": "tron"}).json()["id"]
    hook = {"url": "https://hooks.example.com/", "types": ["payout.delivered"]}
    endpoint = test_api.post("/webhook_endpoints", hook).json()["id"]
    event = test_api.post(f"/webhook_endpoints/{endpoint}/test", {}).json()["event"]
    # A real WSGI request closes old connections, this test's open one among them.
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield {
        "schema": schemathesis.openapi.from_wsgi(f"{BASE}/openapi.json", application),
        "key": test_api.key,
        "ids": {
            "payout_id": payout,
            "address_id": address,
            "transaction_id": payout,
            "external_ref": "user-1",
            "endpoint_id": endpoint,
            "event_id": event,
        },
    }
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


NAMES = [
    "createPayoutQuote",
    "createPayout",
    "createPayoutBatch",
    "listPayouts",
    "getPayout",
    "createAddress",
    "listAddresses",
    "getAddress",
    "getBalances",
    "getBalancesOfUser",
    "listTransactions",
    "getTransaction",
    "listNetworks",
    "checkDestination",
    "createSandboxDeposit",
    "advanceSandboxPayout",
    "createWebhookEndpoint",
    "listWebhookEndpoints",
    "getWebhookEndpoint",
    "updateWebhookEndpoint",
    "deleteWebhookEndpoint",
    "rollWebhookSecret",
    "testWebhookEndpoint",
    "listEvents",
    "getEvent",
    "resendEvent",
    "resendEvents",
]


@pytest.mark.parametrize("mode", ["POSITIVE", "NEGATIVE"])
@pytest.mark.parametrize("name", NAMES)
def test_nothing_the_document_allows_or_forbids_breaks_it(app, name, mode):
    operation = app["schema"].find_operation_by_id(name)
    generation_mode = schemathesis.GenerationMode[mode]
    in_path = [parameter.name for parameter in operation.path_parameters]
    known = {name: app["ids"][name] for name in in_path}
    strategies = [operation.as_strategy(generation_mode=generation_mode)]
    if known and mode == "POSITIVE":
        strategies.append(
            operation.as_strategy(generation_mode=generation_mode, path_parameters=known)
        )

    @settings(
        max_examples=EXAMPLES_MAX,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=st.one_of(strategies))
    def run(case):
        response = case.call(headers={"Authorization": f"Bearer {app['key']}"})
        case.validate_response(response, checks=CHECKS)

    run()


def test_the_document_is_one_a_client_can_be_made_from(document):
    text = json.dumps(document)
    names = set(document["components"]["schemas"])
    referred = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}

    assert referred <= names
    assert {"QuoteRequest", "Quote", "Payout", "Problem"} <= names
    for _, _, operation in operations(document).values():
        for parameter in operation.get("parameters", []):
            assert parameter["schema"], parameter
