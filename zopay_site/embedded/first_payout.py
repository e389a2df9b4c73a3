"""One payout of the demo, sent as a partner would: two requests to the public API."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
import uuid
from typing import Any

from zopay_site.embedded.say import Stop

# A published EIP-55 test vector. What the demo sends there is worth nothing, whether it
# goes over a local chain or over the simulated rail.
DESTINATION = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
AMOUNT = "25.00"
TIMEOUT_SECONDS = 30


def send(demo: dict[str, Any], *, base: str) -> dict[str, Any]:
    """Quote and execute with the first partner's live key; answers what POST /payouts did.

    `demo` is what bootstrap_demo prints, `base` where the server listens.
    Raises Stop with the API's own words when it refuses.
    """
    partner = demo["partners"][0]
    user = partner["users"][0]
    wish = {
        "external_ref": user["external_ref"],
        "destination": DESTINATION,
        "asset": user["asset"],
        "amount": AMOUNT,
        "network_hint": "polygon",
    }
    key = partner["connect"]["live_key"]
    quote = _post(f"{base}/connect/v1/payouts/quote", wish, key=key)
    return _post(f"{base}/connect/v1/payouts", {"quote_id": quote["quote_id"]}, key=key)


def _post(url: str, body: dict[str, Any], *, key: str) -> dict[str, Any]:
    request = urllib.request.Request(  # noqa: S310  (always http to our own loopback)
        url,
        data=json.dumps(body).encode(),
        headers={
            "Authorization": f"Bearer {key}",
            "Content-Type": "application/json",
            "Idempotency-Key": str(uuid.uuid4()),
        },
    )
    # A proxy of this machine has no business between us and ourselves.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=TIMEOUT_SECONDS) as answer:
            document: dict[str, Any] = json.load(answer)
    except urllib.error.HTTPError as error:
        words = _words(error.read())
        raise Stop(f"The API answered {error.code}: {words}", then="see logs/web.log") from None
    except (OSError, ValueError) as error:
        raise Stop(f"The API did not answer: {error}", then="see logs/web.log") from None
    return document


def _words(body: bytes) -> str:
    """What a problem document says; a page of HTML says nothing to a terminal."""
    try:
        problem = json.loads(body)
    except ValueError:
        return "no problem document"
    return str(problem.get("detail") or problem.get("title") or problem)
