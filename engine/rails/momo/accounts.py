"""Our accounts with operators: which one pays, how it is reached, what it holds."""

from __future__ import annotations

import secrets
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import structlog
from django.db import connection, transaction
from django.utils import timezone

from engine.common.secrets import SealBroken, seal, unseal
from engine.rails.models import MomoAccount, MomoCredentials
from engine.rails.momo.client import OK, Client, Platform, Silence
from engine.rails.operators import CURRENCIES

if TYPE_CHECKING:
    from collections.abc import Iterable

logger = structlog.get_logger(__name__)

API_KEY, SUBSCRIPTION_KEY = "momo api key", "momo subscription key"
USER_AGENT = "zopay/1.0"
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
# A balance older than this is asked for again before it is relied on.
BALANCE_SECONDS = 15.0
# How long a question may take whose answer we can do without.
QUICK_SECONDS = 5.0
# What was promised since the operator told us the balance, and may not be in it yet,
# whether or not it has arrived meanwhile.
PROMISED = """
SELECT s.account_id, sum(s.units) FROM rails_momosend s
JOIN rails_momoaccount a ON a.id = s.account_id
WHERE s.account_id = ANY(%s::bigint[]) AND s.failure_code = ''
  AND (s.posted_at IS NULL OR s.posted_at > a.balance_at)
GROUP BY s.account_id
"""


class AccountInvalid(ValueError):
    """What an operator typed cannot be an account's. Its text says why."""


def connect_account(
    *,
    name: str,
    network: str,
    country: str,
    currency: str,
    callback_url: str = "",
    livemode: bool = True,
) -> MomoAccount:
    """Make an account that `set_credentials` will reach. Raises AccountInvalid."""
    if currency not in CURRENCIES:
        raise AccountInvalid(f"{currency} is not a currency that we know.")
    return MomoAccount.objects.create(
        name=name,
        network=network,
        country=country,
        currency=currency,
        callback_url=callback_url.rstrip("/"),
        livemode=livemode,
        callback_token=secrets.token_urlsafe(32),
    )


def set_credentials(
    *,
    account: MomoAccount,
    base_url: str,
    target_environment: str,
    api_user: str,
    api_key: str,
    subscription_key: str,
    user_agent: str = USER_AGENT,
) -> MomoCredentials:
    """What new sends of the account go out with, from now on. Raises AccountInvalid.

    Sends that went out before keep their platform and their API user.
    """
    parts = urlsplit(base_url)
    if parts.scheme != "https" and parts.hostname not in LOOPBACK:
        raise AccountInvalid("An operator is reached by https, except on this machine.")
    if "python-requests" in user_agent.lower():
        raise AccountInvalid("MTN refuses a User-Agent that says python-requests.")
    return MomoCredentials.objects.create(
        account=account,
        base_url=base_url.rstrip("/"),
        target_environment=target_environment,
        api_user=api_user,
        api_key_sealed=seal(API_KEY, api_key.encode()),
        subscription_key_sealed=seal(SUBSCRIPTION_KEY, subscription_key.encode()),
        user_agent=user_agent,
    )


def clients_of(
    rows: Iterable[MomoCredentials], *, seconds: float | None = None
) -> dict[int, Client]:
    """A client for each, by its id; none for those whose seals do not open any more."""
    clients: dict[int, Client] = {}
    for row in {row.pk: row for row in rows}.values():
        try:
            clients[row.pk] = client_of(row, seconds=seconds)
        except SealBroken as error:
            logger.warning("momo_account_sealed", credentials=str(row), why=error.message)
    return clients


def client_of(credentials: MomoCredentials, *, seconds: float | None = None) -> Client:
    """A client for sends of these credentials. Raises SealBroken.

    Keys are renewed, but a send is known only to the API user and on the platform that it
    came from: so it is asked about there, as that user, with that user's newest keys.
    """
    newest = (
        MomoCredentials.objects.filter(
            account_id=credentials.account_id,
            base_url=credentials.base_url,
            target_environment=credentials.target_environment,
            api_user=credentials.api_user,
        )
        .order_by("-id")
        .first()
    ) or credentials
    return Client(
        Platform(
            base_url=newest.base_url,
            target_environment=newest.target_environment,
            api_user=newest.api_user,
            user_agent=newest.user_agent,
            api_key=unseal(API_KEY, bytes(newest.api_key_sealed)).decode(),
            subscription_key=unseal(
                SUBSCRIPTION_KEY, bytes(newest.subscription_key_sealed)
            ).decode(),
        ),
        seconds=seconds,
    )


def newest_credentials(account_ids: Iterable[int]) -> dict[int, MomoCredentials]:
    """What new sends of each account go out with."""
    rows = (
        MomoCredentials.objects.filter(account_id__in=set(account_ids))
        .order_by("account_id", "-id")
        .distinct("account_id")
    )
    return {row.account_id: row for row in rows}


class Floats:
    """The accounts that may pay now, and what each can still be promised for.

    With `lock`, nobody else promises anything of theirs before this transaction ends.
    """

    def __init__(self, *, lock: bool = False) -> None:
        enabled = MomoAccount.objects.filter(is_enabled=True).order_by("id")
        # No key is touched: a row that refers to an account waits for nobody.
        accounts = list(enabled.select_for_update(no_key=True) if lock else enabled)
        self.credentials = newest_credentials(account.pk for account in accounts)
        self._accounts = [one for one in accounts if one.pk in self.credentials]
        with connection.cursor() as cursor:
            cursor.execute(PROMISED, [[account.pk for account in self._accounts]])
            promised = dict(cursor.fetchall())
        self._free = {
            one.pk: None
            if one.balance_units is None
            else one.balance_units - int(promised.get(one.pk, 0))
            for one in self._accounts
        }

    def fitting(
        self, *, network: str, country: str, currency: str, livemode: bool
    ) -> list[MomoAccount]:
        """The accounts that could pay there, by their ids."""
        wanted = (network, country, currency, livemode)
        return [
            one
            for one in self._accounts
            if (one.network, one.country, one.currency, one.livemode) == wanted
        ]

    def take(self, accounts: list[MomoAccount], units: int) -> MomoAccount | None:
        """Promise `units` of the first that is not known to hold too little."""
        for account in accounts:
            free = self._free[account.pk]
            if free is None:
                return account
            if units <= free:
                self._free[account.pk] = free - units
                return account
        return None


def refresh_balances(accounts: Iterable[MomoAccount]) -> None:
    """Ask the operators what we hold, where we have not asked lately. No transaction.

    One that does not answer keeps the balance that it told last.
    """
    oldest = timezone.now() - timedelta(seconds=BALANCE_SECONDS)
    for account in accounts:
        if account.balance_at is None or account.balance_at < oldest:
            _refresh(account)


def _refresh(account: MomoAccount) -> None:
    rows = newest_credentials([account.pk]).values()
    clients = list(clients_of(rows, seconds=QUICK_SECONDS).values())
    if not clients:
        return
    asked_at = timezone.now()
    try:
        answer = clients[0].balance()
    except Silence as silence:
        logger.warning("momo_balance_unknown", account=account.name, why=silence.message)
        return
    units = _units(answer.body, account.currency) if answer.status == OK else None
    if units is None:
        logger.warning("momo_balance_unknown", account=account.name, status=answer.status)
        return
    with transaction.atomic(durable=True):
        MomoAccount.objects.filter(pk=account.pk).update(
            balance_units=units, balance_at=asked_at
        )


def _units(body: dict[str, object], currency: str) -> int | None:
    """The balance in smallest units; None when it is none of ours, or no number."""
    try:
        amount = Decimal(str(body.get("availableBalance")))
    except InvalidOperation:
        return None
    if body.get("currency") != currency or not amount.is_finite():
        return None
    return int(amount.scaleb(CURRENCIES[currency]))


def is_reachable(credentials: MomoCredentials) -> str:
    """Ask for the balance with these; why not, or nothing when it worked."""
    try:
        answer = client_of(credentials).balance()
    except Silence as silence:
        return silence.message
    return "" if answer.status == OK else f"answered HTTP {answer.status} {answer.code}".strip()
