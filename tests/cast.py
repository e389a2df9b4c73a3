"""Who plays in the tests, and what they hold in their hands."""

import json
from uuid import uuid4

from django.db import connection
from django.test import Client

from engine.partners.services import see_end_user
from engine.payouts import sweeps
from engine.payouts.funds import credit_deposit, read_purse
from engine.payouts.models import Payout

BASE = "/connect/v1"
# Published EIP-55 vectors, and the first key of RFC 8032's: nobody is paid there.
EVM = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
EVM_2 = "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359"
TRON = "TJRabPrwbZy45sbavfcjinPJC18kjpRTv8"
SOLANA = "FVen3X669xLzsi6N2V91DoiyzHzg1uAgqiT8jZ9nS96Z"
BITCOIN = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"
USDT = 10**6
FUNDS_UNITS = 1000 * USDT

QUOTE = {
    "external_ref": "user-1",
    "destination": EVM,
    "asset": "USDT",
    "amount": "100",
    "network_hint": "ethereum",
}


class Api:
    """A partner's own small client: one key, JSON both ways."""

    def __init__(self, key, livemode):
        self.key, self.livemode = key, livemode
        self.client = Client()

    def get(self, path, **query):
        return self.client.get(BASE + path, query, headers=self._headers({}))

    def post(self, path, body=None, *, key="", raw=None, headers=None):
        """Send JSON; `key` is the Idempotency-Key, by default a new one for live keys."""
        if key == "":
            key = str(uuid4()) if self.livemode else None
        return self.client.post(
            BASE + path,
            json.dumps(body) if raw is None else raw,
            content_type="application/json",
            headers=self._headers({} if key is None else {"idempotency-key": key})
            | (headers or {}),
        )

    def patch(self, path, body=None):
        return self.client.patch(
            BASE + path,
            json.dumps(body),
            content_type="application/json",
            headers=self._headers({}),
        )

    def delete(self, path):
        return self.client.delete(BASE + path, headers=self._headers({}))

    def quote(self, **changes):
        """A fresh quote's public id."""
        response = self.post("/payouts/quote", QUOTE | changes)
        assert response.status_code == 201, response.content
        return response.json()["quote_id"]

    def pay(self, *, key=None, **changes):
        """Quote and execute; the answer as parsed."""
        response = self.post("/payouts", {"quote_id": self.quote(**changes)}, key=key)
        assert response.status_code == 201, response.content
        return response.json()

    def _headers(self, more):
        return {"authorization": f"Bearer {self.key}"} | more


def fund(partner, *, livemode, external_ref="user-1", network="ethereum", asset="USDT", units):
    """Credit a final deposit to a user, who is made if need be."""
    user = see_end_user(partner_id=partner.pk, livemode=livemode, external_ref=external_ref)
    deposit, _ = credit_deposit(
        partner_id=partner.pk,
        livemode=livemode,
        end_user_id=user.pk,
        asset=asset,
        network=network,
        units=units,
        reference=uuid4().hex,
    )
    return deposit


def units_held(partner, *, livemode, external_ref="user-1", network="ethereum", asset="USDT"):
    """What a user may still spend of an asset on a network, in smallest units."""
    purse = read_purse(
        partner_id=partner.pk, livemode=livemode, external_ref=external_ref, asset=asset
    )
    return purse.held[network].units


def drain_once():
    """Make every payout due, and let one worker pass over them."""
    Payout.objects.filter(finished_at__isnull=True).update(due_at="2000-01-01T00:00:00Z")
    return sweeps.drain()


def count(table):
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {table}")
        return cursor.fetchone()[0]


MONEY_TABLES = (
    "payouts_payout",
    "payouts_payoutevent",
    "ledger_movement",
    "partners_storedanswer",
)


def footprint():
    """What is written when money moves: row counts, balances, and quotes used."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, balance::text FROM ledger_account ORDER BY id")
        balances = cursor.fetchall()
        cursor.execute("SELECT count(*) FROM payouts_quote WHERE used_at IS NOT NULL")
        used = cursor.fetchone()[0]
    return {table: count(table) for table in MONEY_TABLES} | {
        "balances": balances,
        "quotes_used": used,
    }
