"""Webhook deliveries a second: what is owed goes to a receiver on this machine."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from bench.cpu import Meter
from bench.samples import MICROSECONDS, Sample
from zopay_site.embedded import ports

if TYPE_CHECKING:
    from uuid import UUID

    from bench.house import House
    from engine.webhooks.services import Draft

RECEIVER = Path(__file__).with_name("receiver.py")
ENDPOINTS = 4
SECONDS_MAX = 300.0
POLL_SECONDS = 0.02
# About what a delivered payout's message weighs.
BODY = b'{"type":"payout.delivered","data":{"id":"pay_' + b"0" * 900 + b'"}}'


def tell(house: House, partner_id: UUID, messages: int) -> Sample:
    """Owe a partner with ENDPOINTS endpoints `messages` messages, and time the deliveries."""
    from engine.webhooks.models import Delivery, Endpoint
    from engine.webhooks.services import create_endpoint, owe_messages

    port = ports.pick()
    receiver = house.start("receiver", [sys.executable, str(RECEIVER), str(port)])
    for _ in range(ENDPOINTS):
        create_endpoint(partner_id=partner_id, livemode=True, url=f"http://127.0.0.1:{port}/")
    try:
        owe_messages(_drafts(partner_id, "warm-up", 20))
        _settled(Delivery)
        meter = Meter(
            worker=house.children["webhooks"].pid,
            postgres=house.postgres_pid,
            generator=receiver.pid,
        )
        began = time.perf_counter()
        owe_messages(_drafts(partner_id, "bench", messages))
        failed = _settled(Delivery)
        seconds = time.perf_counter() - began
    finally:
        Endpoint.objects.all().update(state="disabled", disabled_reason="measured")
        house.stop("receiver")
    sent = messages * ENDPOINTS
    return Sample(
        per_second=sent / seconds,
        p50_ms=0.0,
        p99_ms=0.0,
        cpu={part: used / sent * MICROSECONDS for part, used in meter.spent().items()},
        calls=sent,
        failures={"not delivered": failed} if failed else {},
    )


def _drafts(partner_id: UUID, name: str, count: int) -> list[Draft]:
    from engine.webhooks.services import Draft

    return [
        Draft(
            partner_id=partner_id,
            livemode=True,
            door="connect",
            dialect="standard",
            type="payout.delivered",
            reference=f"{name}:{number}",
            subject=f"{name}_{number}",
            sequence=1,
            body=BODY,
        )
        for number in range(count)
    ]


def _settled(delivery: object) -> int:
    """Wait until nothing is pending; returns how many were not delivered at once."""
    deadline = time.monotonic() + SECONDS_MAX
    rows = delivery.objects  # type: ignore[attr-defined] # Django's, and not ours to import here
    while rows.filter(state="pending").exists():
        if time.monotonic() > deadline:
            raise TimeoutError("the webhooks did not get through")
        time.sleep(POLL_SECONDS)
    return int(rows.exclude(state="delivered").count())
