"""A partner's own small client of the payments API, and what is written when money moves."""

import json
from uuid import uuid4

from django.db import connection
from django.test import Client

from payments.tokens import mint_token
from tests.cast import count

BODY = {"amount": "10.00", "currency": "EUR", "type": "payout"}
# The published sample of POST /api/payments, as it is printed.
SAMPLE = {
    "externalId": "3e3f3796-4c3a-41e2-a90a-2c0f3e20b0a1",
    "amount": "10.00",
    "currency": "EUR",
    "type": "payout",
    "description": "Order #1456",
    "customer": {"id": "550e8400-e29b-41d4-a716-446655440000", "name": "User Name"},
    "metadata": {"orderId": 1456},
}


def make_token(partner, *, livemode, **options):
    return mint_token(
        partner=partner,
        livemode=livemode,
        **{"name": "tests", "may_pay_out": True} | options,
    )[1]


class Shop:
    """One token, JSON both ways."""

    def __init__(self, token):
        self.token, self.client = token, Client()

    def post(self, path="/api/payments", body=None, *, key=None, raw=None, headers=None):
        return self.client.post(
            path,
            json.dumps(BODY if body is None else body) if raw is None else raw,
            content_type="application/json",
            headers={"authorization": f"Bearer {self.token}"}
            | ({} if key is None else {"idempotency-key": key})
            | (headers or {}),
        )

    def get(self, path="/api/payments", **query):
        return self.client.get(path, query, headers={"authorization": f"Bearer {self.token}"})

    def ask(self, *, key=None, **changes):
        """Ask for a payment; the answer."""
        return self.post(body=BODY | changes, key=key)

    def make(self, **changes):
        """A payment that there was not before, as the answer tells it."""
        answer = self.ask(key=str(uuid4()), **changes)
        assert answer.status_code == 201, answer.content
        return answer.json()

    def step(self, payment_id, view=None, **fields):
        body = {} if view is None else {"view": view, "fields": fields}
        return self.post(f"/api/payments/{payment_id}", body)


TABLES = (
    "payments_payment",
    "payments_formsession",
    "payments_paymentpayout",
    "payouts_payout",
    "payouts_quote",
    "ledger_movement",
    "webhooks_message",
)


def traces():
    """Everything that a request may leave behind: rows and balances."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, balance::text FROM ledger_account ORDER BY id")
        balances = [row for row in cursor.fetchall() if row[1] != "0"]
    return {table: count(table) for table in TABLES} | {"balances": balances}


def assert_is_problem(answer, status=None, code=None):
    problem = answer.json()
    assert answer["Content-Type"] == "application/problem+json", answer.content
    assert problem["status"] == answer.status_code
    assert problem["request_id"] == answer["Request-Id"]
    assert problem["type"].endswith(f"/docs/errors#{problem['code']}")
    assert {"title", "detail", "retryable"} <= set(problem)
    if status is not None:
        assert (answer.status_code, problem["code"]) == (status, code), problem
    return problem
