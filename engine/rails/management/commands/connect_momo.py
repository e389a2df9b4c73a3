"""Connect an account with a mobile-money operator, or give one new keys."""

from __future__ import annotations

import sys
from getpass import getpass
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from engine.rails.models import MomoAccount
from engine.rails.momo.accounts import (
    USER_AGENT,
    AccountInvalid,
    connect_account,
    is_reachable,
    set_credentials,
)
from engine.rails.operators import COUNTRY_CURRENCIES, GATEWAYS

if TYPE_CHECKING:
    from argparse import ArgumentParser


class Command(BaseCommand):
    help = (
        "Connect an account with a mobile-money operator, or give one of that name new keys."
        " The API key and the subscription key are asked for, or read from standard input,"
        " a line each. docs/momo.md tells where to find them."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--name", required=True, help="ours for it, such as mtn-cm")
        parser.add_argument("--network", choices=sorted(GATEWAYS.values()), default="mtn_momo")
        parser.add_argument("--country", choices=sorted(COUNTRY_CURRENCIES), required=True)
        parser.add_argument("--currency", required=True)
        parser.add_argument("--base-url", required=True, help="the operator's platform")
        parser.add_argument("--target-environment", required=True, help="such as mtncameroon")
        parser.add_argument("--api-user", required=True)
        parser.add_argument(
            "--callback-url", default="", help="in front of the secret path; none when empty"
        )
        parser.add_argument("--user-agent", default=USER_AGENT)
        parser.add_argument(
            "--for-test-mode", action="store_true", help="an account without real money"
        )

    def handle(self, *_args: Any, name: str, **options: Any) -> None:
        if options["currency"] not in COUNTRY_CURRENCIES[options["country"]]:
            raise CommandError(f"{options['country']} is not paid in {options['currency']}.")
        api_key, subscription_key = _secret("API key"), _secret("Subscription key")
        try:
            with transaction.atomic():
                account = _account(name, options)
                credentials = set_credentials(
                    account=account,
                    base_url=options["base_url"],
                    target_environment=options["target_environment"],
                    api_user=options["api_user"],
                    api_key=api_key,
                    subscription_key=subscription_key,
                    user_agent=options["user_agent"],
                )
        except AccountInvalid as error:
            raise CommandError(str(error)) from None
        self.stdout.write(f"{name} is kept. New payouts go out with these keys from now on.")
        why = is_reachable(credentials)
        if why:
            raise CommandError(f"But the operator, asked for the balance, {why}.")
        self.stdout.write("The operator knows us.")


def _secret(name: str) -> str:
    """Typed by a person and not shown, or piped in."""
    text = getpass(f"{name}: ") if sys.stdin.isatty() else sys.stdin.readline()
    if not text.strip():
        raise CommandError(f"{name}: nothing was given.")
    return text.strip()


def _account(name: str, options: dict[str, Any]) -> MomoAccount:
    """The account of that name, made when there is none. Raises AccountInvalid."""
    fixed = {
        "network": options["network"],
        "country": options["country"],
        "currency": options["currency"],
        "livemode": not options["for_test_mode"],
    }
    account = MomoAccount.objects.select_for_update().filter(name=name).first()
    if account is None:
        return connect_account(name=name, callback_url=options["callback_url"], **fixed)
    if any(getattr(account, key) != value for key, value in fixed.items()):
        raise AccountInvalid(f"{name} is an account of another kind already.")
    account.callback_url = options["callback_url"].rstrip("/")
    account.save(update_fields=["callback_url"])
    return account
