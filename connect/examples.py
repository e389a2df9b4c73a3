"""Examples in the OpenAPI document. A test sends every request among them."""

from __future__ import annotations

from typing import Any

_ADDRESS = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
_QUOTE_ID = "qt_019ad3c2f1e07c4e8a55d3a1b2c3d4e5Zm9yZ2VkLWV4YW1wbGUtc2lnbmF0dXJlLW5vdC1yZWFsLTA"
_TERMS: dict[str, Any] = {
    "user_sends": "100",
    "recipient_gets": "98.3",
    "fee_total_usd": "1.70",
    "route": {
        "from_network": "ethereum",
        "to_network": "ethereum",
        "estimated_seconds": 30,
    },
}

EXAMPLES: dict[str, dict[str, Any]] = {
    "createPayoutQuote request": {
        "external_ref": "user-1",
        "destination": _ADDRESS,
        "asset": "USDT",
        "amount": "100",
        "network_hint": "ethereum",
    },
    "createPayoutQuote": {
        "quote_id": _QUOTE_ID,
        "expires_at": "2026-01-31T12:01:00.000Z",
        **_TERMS,
        "recommendation": {
            "message": "You could save $1.19 by receiving on Polygon.",
            "alternative_route": {
                "network": "polygon",
                "fee_total_usd": "0.51",
                "savings_usd": "1.19",
            },
        },
    },
    "createPayout": {
        "id": "pay_019ad3c2f1e17b0c9d2e4f60718293a4",
        "status": "pending",
        "quote": {"quote_id": _QUOTE_ID, **_TERMS},
        "estimated_delivery_at": "2026-01-31T12:00:30.000Z",
        "tracking_url": "https://zopay.example/t/AZrTwvHhewydLk9gcYKTpKzJ0mYw8QxT2vB4nU6sEcA",
    },
    "createPayoutBatch request": {"quote_ids": [_QUOTE_ID]},
    "createAddress request": {
        "asset": "USDT",
        "network": "tron",
        "external_ref": "user-1",
    },
    "checkDestination request": {
        "destination": _ADDRESS,
        "asset": "USDT",
        "network_hint": "polygon",
        "external_ref": "user-1",
    },
    "createWebhookEndpoint request": {
        "url": "https://hooks.example.com/zopay",
        "types": ["payout.delivered", "payout.failed"],
        "description": "Payroll",
    },
    "resendEvents request": {
        "from": "2026-01-31T12:00:00Z",
        "to": "2026-01-31T18:00:00Z",
        "types": ["payout.failed"],
    },
    "createSandboxDeposit request": {
        "external_ref": "user-1",
        "asset": "USDT",
        "network": "ethereum",
        "amount": "1000",
    },
}
