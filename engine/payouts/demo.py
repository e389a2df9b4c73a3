"""The demo: two partners with funded users, keys that work, and staff to look around.

Everything it makes has a name of its own and is made once. Secrets are kept in one file,
mode 600, since the database cannot give a key back.
"""

from __future__ import annotations

import json
import os
import secrets
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import Group, User
from django.db import transaction
from django.utils.module_loading import import_string

from engine.common.units import parse_amount
from engine.partners.groups import KEY_ADMIN, VIEWER
from engine.partners.keys import digest_key
from engine.partners.models import ALL_SCOPES, ApiKey, FeeSchedule, Partner
from engine.partners.services import mint_key, see_end_user
from engine.payouts.funds import credit_deposit
from engine.rails.networks import asset_named
from engine.webhooks.models import Endpoint
from engine.webhooks.services import create_endpoint

if TYPE_CHECKING:
    from pathlib import Path

FILE_NAME = "demo.json"
PARTNERS = ("Northwind Payroll", "Harbour Market")
# external_ref, asset, network, amount: each partner's users, in test and live alike.
USERS = (
    ("user-1", "USDT", "ethereum", "25000"),
    ("user-2", "USDT", "tron", "5000"),
    ("user-3", "XAUT", "ethereum", "3"),
)
STAFF = (("admin", "administrator"), ("viewer", VIEWER), ("keys", KEY_ADMIN))
PASSWORD_BYTES = 12
RECEIVER = "the demo's receiver"


def bootstrap() -> dict[str, Any]:
    """Make the demo, or read the one that was made. Running it again changes nothing."""
    path = settings.ZOPAY_HOME / FILE_NAME
    known = _read(path)
    if known is not None and _still_stands(known):
        # The port may have changed since; nothing else can have.
        told = known | {"base_url": settings.ZOPAY_PUBLIC_URL}
    else:
        with transaction.atomic():
            told = {
                "base_url": settings.ZOPAY_PUBLIC_URL,
                "tracking_url": f"{settings.ZOPAY_PUBLIC_URL}/t/",
                "partners": [_partner(name) for name in PARTNERS],
                "staff": [_staff(username, role) for username, role in STAFF],
            }
    told["tracking_url"] = f"{settings.ZOPAY_PUBLIC_URL}/t/"
    _listen(told["partners"][0])
    for part in settings.DEMO_PARTS:
        for partner in told["partners"]:
            import_string(part)(partner)
    if told != known:
        _write(path, told)
    return told


def _read(path: Path) -> dict[str, Any] | None:
    try:
        told: dict[str, Any] = json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return None
    return told


def _still_stands(told: dict[str, Any]) -> bool:
    """Whether the keys in the file open this database; a fresh one knows none of them."""
    keys = [key for partner in told["partners"] for key in partner["connect"].values()]
    digests = [digest_key(key) for key in keys]
    return ApiKey.objects.filter(digest__in=digests, revoked_at=None).count() == len(keys)


def _write(path: Path, told: dict[str, Any]) -> None:
    """Replace the file in one step, readable by its owner alone from its first byte."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(told, file, indent=2)
    draft.replace(path)


def _partner(name: str) -> dict[str, Any]:
    partner, _ = Partner.objects.get_or_create(
        name=name,
        defaults={
            "is_approved": True,
            "fee_schedule": FeeSchedule.objects.earliest("pk"),
        },
    )
    keys = {
        mode: mint_key(
            partner=partner, livemode=mode == "live", name="demo", scopes=ALL_SCOPES
        )[1]
        for mode in ("test", "live")
    }
    for livemode in (False, True):
        for external_ref, asset, network, amount in USERS:
            user = see_end_user(
                partner_id=partner.pk, livemode=livemode, external_ref=external_ref
            )
            credit_deposit(
                partner_id=partner.pk,
                livemode=livemode,
                end_user_id=user.pk,
                asset=asset,
                network=network,
                units=parse_amount(amount, scale=asset_named(asset).scale),
                reference=f"demo:{partner.pk.hex}:{external_ref}",
            )
    return {
        "id": str(partner.pk),
        "name": name,
        "connect": {"test_key": keys["test"], "live_key": keys["live"]},
        "users": [
            dict(zip(("external_ref", "asset", "network", "amount"), user, strict=True))
            for user in USERS
        ],
    }


def _listen(partner: dict[str, Any]) -> None:
    """Register the receiver that bin/up runs, in both modes; its port may have changed."""
    url = settings.DEMO_WEBHOOK_URL
    mine = Endpoint.objects.filter(partner_id=partner["id"], description=RECEIVER)
    if not url or partner.get("webhooks", {}).get("url") == url:
        return
    if "webhooks" in partner and mine.exists():
        mine.update(url=url)
        partner["webhooks"] = partner["webhooks"] | {"url": url}
        return
    partner["webhooks"] = {"url": url}
    for livemode, name in ((False, "test_secret"), (True, "live_secret")):
        _, partner["webhooks"][name] = create_endpoint(
            partner_id=UUID(partner["id"]), livemode=livemode, url=url, description=RECEIVER
        )


def _staff(username: str, role: str) -> dict[str, str]:
    password = secrets.token_urlsafe(PASSWORD_BYTES)
    user, _ = User.objects.get_or_create(username=username)
    user.is_staff, user.is_superuser = True, role == "administrator"
    user.set_password(password)
    user.save()
    user.groups.set(Group.objects.filter(name=role))
    return {"username": username, "password": password, "role": role}
