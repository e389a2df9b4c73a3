"""Two tabs at the same moment: one pays, and the other is shown what the first one did."""

import pytest
from django.db import connection, transaction
from django.test import Client

from engine.payouts.models import Payout
from payments.models import FormSession, Payment
from tests.cast import EVM
from tests.meeting import Session, wait_until_so_many_wait_for_me
from tests.payments.form_cast import BANK, Form

pytestmark = pytest.mark.django_db(transaction=True)
COIN = {"network": "polygon", "address": EVM}


def agree_together(payment, reviews):
    """Each tab agrees on a connection of its own, and none before all have asked."""
    form = Form(Client(), payment)
    with transaction.atomic():
        Payment.objects.select_for_update().get(pk=payment.pk)
        tabs = [
            Session(lambda review=review: form.post(review, {"act": "agree"}))
            for review in reviews
        ]
        wait_until_so_many_wait_for_me(len(tabs))
    return [tab.wait() for tab in tabs]


@pytest.mark.parametrize("are_two_ways", [True, False])
def test_of_tabs_that_agree_at_once_one_pays(fill_in, are_two_ways):
    form = fill_in()
    first = form.review("bank_transfer", BANK)
    second = form.review("stablecoin", COIN) if are_two_ways else first
    answers = agree_together(form.payment, [first, second, first, second])

    assert [answer.status_code for answer in answers] == [303] * 4
    led = sorted(answer["Location"] for answer in answers)
    payout = Payout.objects.get()
    assert led[:3] == [form.url] * 3
    assert led[3].startswith("/t/")
    form.payment.refresh_from_db()
    assert form.payment.payout_id == payout.pk
    assert FormSession.objects.filter(used_at__isnull=False).count() == 1
    shown = {"sepa": "DE … 3000", "polygon": "0x5aAe…eAed"}[payout.to_network]
    assert shown in form.read()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM ledger_account WHERE code LIKE %s AND balance < 0",
            [f"payment:{form.payment.pk.hex}:%"],
        )
        assert cursor.fetchone() == (0,)
