"""From a filled-in form to money that has arrived, or lies where it lay.

Goal: all that a payment holds leaves it once, what does not arrive is a fee, and a payout
that fails brings everything back, to the payment or to the float, as its reason says.
"""

from datetime import timedelta
from unittest.mock import ANY

import orjson
import pytest
from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from engine.common.errors import AmountInvalid
from engine.common.secrets import unseal
from engine.ledger.services import balance_of, balances
from engine.payouts import errors, services
from engine.payouts.models import (
    AssetPrice,
    BlockedDestination,
    Conversion,
    Freeze,
    GatewayFee,
    Limit,
    Payout,
)
from engine.payouts.states import Status
from engine.webhooks.models import Message
from payments.door import PAYMENTS, describe, mend_url, payment_url
from payments.errors import PaymentNotOpen
from payments.models import FormSession, Payment, PaymentPayout
from payments.opening import is_open, now_in_books
from payments.payees import Payee
from payments.services import expire_now, submit
from payments.sessions import details_of, review_of
from tests.cast import footprint
from tests.payments.till import (
    BANK,
    FAILS,
    MOMO,
    NO_ACCOUNT,
    OTHER_WALLET,
    WALLET,
    fill,
    pay,
    set_rates,
)

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.usefixtures("books_are_true"),
]


def again(payment):
    return Payment.objects.get(pk=payment.pk)


def available(payment):
    return balance_of(account_id=payment.available_account_id)


def in_books(code, asset, livemode):
    return balances(codes=[code], asset=asset, livemode=livemode).get(code, 0)


def said(statement, *parameters):
    """Say it to PostgreSQL, past all code."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, parameters)


def fail(payment, code):
    """The payout fails before anything was sent, for that reason."""
    assert services.advance(
        Status.FAILED, [services.Step(again(payment).payout_id, failure_code=code)]
    )


# --- What a review promises --------------------------------------------------------------


def test_a_review_of_mobile_money_takes_the_fees_out_of_the_amount(till):
    payment = till.create_francs()

    review = review_of(fill(payment, MOMO, method="mobile_money", number="670006789"))

    # 9,950 + 30 (0.3 %, rounded up) + 20 (0.2 %) are 10,000; 9,951 would take 10,001.
    assert (review.pays_units, review.pays_currency) == (10_000, "XAF")
    assert (review.arrives_units, review.arrives_asset) == (9_950, "XAF")
    assert (review.fee_units, review.fee_asset) == (50, "XAF")
    assert review.rate is None
    assert (review.network, review.destination) == ("mtn_momo", "+237670006789")
    assert review.method == "mobile_money"
    assert review.seconds == 30


def test_a_review_of_a_stablecoin_tells_the_rate_its_source_and_its_time(till):
    payment = till.create()

    review = review_of(fill(payment, WALLET))

    # 100 EUR at 1.10, less 0.5 %, are 109.45 USDT. Of these 0.90 go to Tron, 0.10 and
    # 0.25 % to the house: 1.273625 in all.
    assert review.rate.text == "1 EUR = 1.0945 USDT"
    assert review.rate.source == "tests"
    assert timezone.now() - review.rate.as_of < timedelta(minutes=1)
    assert (review.arrives_units, review.arrives_asset) == (108_176_375, "USDT")
    assert (review.fee_units, review.fee_asset) == (1_273_625, "USDT")
    assert review.pays_units == 10_000


def test_a_review_of_a_bank_transfer_names_the_holder_as_the_bank_will(till):
    review = review_of(
        fill(till.create(), Payee("sepa", "EUR", BANK.destination, holder="Élodie  Müller"))
    )

    assert review.holder == "Elodie Muller"
    assert (review.arrives_units, review.fee_units) == (10_000, 0)


def test_what_was_typed_can_be_read_back_and_lies_sealed(till):
    session = fill(till.create_francs(), MOMO, number="670 00 67 89")

    assert details_of(session) == {"number": "670 00 67 89"}
    assert b"670 00" not in bytes(FormSession.objects.get(pk=session.pk).sealed_details)


def test_filling_in_a_form_moves_nothing_and_holds_nothing(till):
    payment = till.create()
    before = {name: part for name, part in footprint().items() if name != "balances"}

    for payee in (WALLET, OTHER_WALLET, BANK):
        fill(payment, payee)

    assert {name: part for name, part in footprint().items() if name != "balances"} == before
    assert available(payment) == 10_000
    assert is_open(again(payment), now_in_books())


# --- Paid out ----------------------------------------------------------------------------


def test_mobile_money_arrives_and_the_payment_has_succeeded(till, finish):
    payment = till.create_francs()
    pay(payment, MOMO)

    assert available(payment) == 0
    assert balance_of(account_id=payment.held_account_id) == 10_000
    assert not is_open(again(payment), now_in_books())
    finish()

    payment = again(payment)
    assert (payment.status, payment.failure_code) == ("succeeded", "")
    assert payment.finished_at == Payout.objects.get(pk=payment.payout_id).finished_at
    assert balance_of(account_id=payment.held_account_id) == 0
    assert in_books("custody:mtn_momo", "XAF", till.livemode) == 9_950
    assert in_books("fees", "XAF", till.livemode) == 50
    assert till.left("XAF") == 990_000


def test_a_bank_transfer_arrives_whole_where_nothing_is_charged(till, finish):
    payment = till.create()
    pay(payment, BANK)
    finish()

    assert again(payment).status == "succeeded"
    assert in_books("custody:sepa", "EUR", till.livemode) == 10_000


def test_a_stablecoin_is_bought_at_the_rate_of_the_review(till, finish):
    payment = till.create()
    session = fill(payment, WALLET)
    # A price that moves after the review moves nothing.
    set_rates(EUR=2_000_000)
    submit(session.code, payment.pk)

    assert available(payment) == 0
    assert in_books("fx", "EUR", till.livemode) == 10_000
    assert in_books("fx", "USDT", till.livemode) == -109_450_000
    finish()

    assert again(payment).status == "succeeded"
    assert in_books("custody:tron", "USDT", till.livemode) == 108_176_375
    assert in_books("fees", "USDT", till.livemode) == 1_273_625


def test_the_message_is_owed_once_and_is_what_get_shows(till, finish):
    payment = till.create(
        currency="XAF",
        amount="10000",
        webhook_url="https://shop.example/hook",
        external_id="order-1",
        metadata={"order": 1},
    )
    pay(payment, MOMO)
    assert not Message.objects.filter(door="payments").exists()
    finish()

    payment, message = again(payment), Message.objects.get(door="payments")
    assert (
        orjson.loads(bytes(message.body))
        == describe(payment)
        == {
            "id": payment.public_id,
            "status": "succeeded",
            "url": f"{settings.ZOPAY_PUBLIC_URL}/checkin/{payment.public_id}",
            "externalId": "order-1",
            "amount": "10000",
            "currency": "XAF",
            "description": "",
            "metadata": {"order": 1},
            "createdAt": ANY,
        }
    )
    assert (message.type, message.dialect) == ("payment.succeeded", "signature")
    assert (message.subject, message.sequence) == (payment.public_id, 1)
    assert message.url == "https://shop.example/hook"
    token = unseal("payments token", bytes(message.sealed_token)).decode()
    assert token.startswith(till.token.prefix_shown)


# --- Failed ------------------------------------------------------------------------------


def test_a_number_without_an_account_opens_the_form_again_with_the_funds_held(till, finish):
    payment = till.create_francs()
    Payment.objects.filter(pk=payment.pk).update(expires_at=timezone.now() + timedelta(hours=1))
    first = pay(payment, NO_ACCOUNT).payout_id
    finish()

    payment = again(payment)
    assert Payout.objects.get(pk=first).failure_code == "payee_not_found"
    assert (payment.status, payment.payout_id) == ("pending", first)
    assert is_open(payment, now_in_books())
    assert payment.expires_at - Payout.objects.get(pk=first).finished_at == timedelta(days=7)
    assert available(payment) == 10_000
    assert till.left("XAF") == 990_000
    assert not Message.objects.filter(door="payments").exists()
    assert mend_url(first) == PAYMENTS.mend_url(first) == payment_url(payment)

    pay(payment, MOMO)
    assert mend_url(first) == ""
    finish()

    payment = again(payment)
    assert payment.status == "succeeded"
    assert list(PaymentPayout.objects.values_list("number", "payout_id")) == [
        (1, first),
        (2, payment.payout_id),
    ]
    assert Message.objects.filter(door="payments").count() == 1


def test_a_failure_that_nobody_can_mend_fails_the_payment_and_refunds_the_float(till, finish):
    payment = till.create_francs()
    pay(payment, FAILS)
    finish()

    payment = again(payment)
    assert (payment.status, payment.failure_code) == ("failed", "provider_failed")
    assert available(payment) == 0
    assert till.left("XAF") == 1_000_000
    assert Message.objects.get(door="payments").type == "payment.failed"
    assert describe(payment)["failure"] == {
        "code": "provider_failed",
        "message": "The operator failed the transfer for a reason that we do not know. The"
        " funds are back.",
        "retryable": False,
    }
    assert mend_url(payment.payout_id) == ""


def test_a_conversion_is_undone_unit_for_unit_when_its_payout_fails(till):
    payment = till.create()
    pay(payment, WALLET)
    # Nobody gets his own money back at another day's rate.
    set_rates(EUR=2_000_000)
    fail(payment, "destination_rejected")

    assert is_open(again(payment), now_in_books())
    assert available(payment) == 10_000
    assert in_books("fx", "EUR", till.livemode) == 0
    assert in_books("fx", "USDT", till.livemode) == 0
    name = f"payment:{payment.pk.hex}"
    assert in_books(f"{name}:available", "USDT", till.livemode) == 0
    assert in_books(f"{name}:held", "USDT", till.livemode) == 0


def test_a_payment_may_be_changed_three_times_and_ends_as_it_would_have_at_once(till, finish):
    payment = till.create()
    for payee in (WALLET, OTHER_WALLET, WALLET):
        pay(payment, payee)
        fail(payment, "transfer_reverted")
    pay(payment, BANK)
    finish()

    assert again(payment).status == "succeeded"
    assert in_books("fx", "EUR", till.livemode) == in_books("fx", "USDT", till.livemode) == 0
    assert in_books("custody:sepa", "EUR", till.livemode) == 10_000
    assert Conversion.objects.count() == 3


@pytest.mark.parametrize("payee", [WALLET, BANK], ids=["changed", "unchanged"])
def test_a_payout_that_somebody_cancels_fails_the_payment(till, payee):
    payment = till.create()
    pay(payment, payee)

    assert services.cancel(again(payment).payout_id)

    payment = again(payment)
    assert (payment.status, payment.failure_code) == ("failed", "cancelled")
    assert till.left() == 100_000
    assert describe(payment)["failure"]["code"] == "cancelled"


def test_a_blocked_destination_is_nothing_to_mend(till):
    payment = till.create()
    pay(payment, WALLET)
    fail(payment, "destination_blocked")

    assert again(payment).status == "failed"
    assert till.left() == 100_000


def test_many_payouts_of_several_doors_and_reasons_end_in_one_step(till):
    payments = [till.create(amount="10.00") for _ in range(4)]
    steps = []
    for payment, (payee, code) in zip(
        payments,
        [
            (WALLET, "destination_blocked"),
            (BANK, "account_closed"),
            (BANK, "bank_forbidden"),
            (OTHER_WALLET, "rail_rejected"),
        ],
        strict=True,
    ):
        steps.append(services.Step(pay(payment, payee).payout_id, failure_code=code))

    assert len(services.advance(Status.FAILED, steps)) == 4
    # Again: nobody is where that edge begins.
    assert services.advance(Status.FAILED, steps) == []

    assert [again(payment).status for payment in payments] == [
        "failed", "pending", "failed", "pending",
    ]  # fmt: skip
    assert till.left() == 100_000 - 2_000


# --- Refused -----------------------------------------------------------------------------


def test_a_second_submit_is_refused_whatever_it_says(till, finish):
    payment = till.create()
    session, other = fill(payment, WALLET), fill(payment, BANK)
    submit(session.code, payment.pk)
    before = footprint()

    for code in (session.code, other.code, "no-such-session"):
        with pytest.raises(PaymentNotOpen):
            submit(code, payment.pk)
    with pytest.raises(PaymentNotOpen):
        fill(payment, BANK)
    assert footprint() == before

    finish()
    before = footprint()
    with pytest.raises(PaymentNotOpen):
        submit(other.code, payment.pk)
    assert footprint() == before


def test_a_session_that_failed_is_not_paid_again(till):
    """In test mode too, where a used quote is answered as it was."""
    payment = till.create()
    session = fill(payment, WALLET)
    submit(session.code, payment.pk)
    fail(payment, "destination_rejected")
    before = footprint()

    with pytest.raises(errors.QuoteAlreadyUsed):
        submit(session.code, payment.pk)
    assert footprint() == before
    assert is_open(again(payment), now_in_books())


def test_a_session_of_another_payment_pays_neither(till):
    mine, theirs = till.create(), till.create()
    session = fill(theirs, WALLET)
    before = footprint()

    with pytest.raises(errors.QuoteNotFound):
        submit(session.code, mine.pk)
    assert footprint() == before


def test_a_payment_that_is_not_there_is_not_open(till):
    with pytest.raises(PaymentNotOpen):
        submit("0" * 26, till.partner.pk)


def test_a_price_that_was_looked_at_for_too_long_is_refused(till, settings):
    settings.HELD_QUOTE_TTL_SECONDS = 0.001
    payment = till.create()
    session = fill(payment, WALLET)
    before = footprint()

    with pytest.raises(errors.QuoteExpired):
        submit(session.code, payment.pk)
    assert footprint() == before
    assert is_open(again(payment), now_in_books())


def test_nothing_is_submitted_while_the_house_is_frozen(till):
    payment = till.create()
    session = fill(payment, WALLET)
    Freeze.objects.create(network="tron", reason="a test")
    before = footprint()

    with pytest.raises(errors.PayoutsFrozen):
        submit(session.code, payment.pk)
    assert footprint() == before


def test_nobody_is_paid_at_a_blocked_destination(till):
    payment = till.create()
    session = fill(payment, WALLET)
    BlockedDestination.objects.create(destination=WALLET.destination, reason="a test")
    before = footprint()

    with pytest.raises(errors.DestinationBlocked):
        submit(session.code, payment.pk)
    assert footprint() == before


def test_a_limit_counts_what_the_recipient_is_sent(live_till):
    """109.45 dollars of USDT leave for 100 EUR."""
    payment = live_till.create()
    session = fill(payment, WALLET)
    limit = Limit.objects.create(payout_usd_micros_max=109_449_999)
    before = footprint()

    with pytest.raises(errors.LimitReached):
        submit(session.code, payment.pk)
    assert footprint() == before

    Limit.objects.filter(pk=limit.pk).update(payout_usd_micros_max=109_450_000)
    assert submit(session.code, payment.pk).payout_id == session.quote.payout_id


def test_a_network_that_nothing_reaches_is_refused(live_till, settings):
    payment = live_till.create()
    session = fill(payment, WALLET)
    settings.PAYOUT_RAIL = ""
    before = footprint()

    with pytest.raises(errors.RouteUnavailable):
        fill(payment, WALLET)
    with pytest.raises(errors.RouteUnavailable):
        submit(session.code, payment.pk)
    assert footprint() == before


@pytest.mark.parametrize(
    "payee",
    [
        Payee("bitcoin", "USDT", WALLET.destination),
        Payee("mtn_momo", "USDT", MOMO.destination, country="CM"),
        Payee("mtn_momo", "EUR", MOMO.destination, country="CM"),
        Payee("tron", "EUR", WALLET.destination),
        Payee("nowhere", "EUR", "x"),
        Payee("polygon", "DAI", WALLET.destination),
    ],
    ids=str,
)
def test_what_no_method_offers_is_no_way_to_be_paid(till, payee):
    payment = till.create()

    with pytest.raises(errors.RouteUnavailable):
        fill(payment, payee)
    assert not FormSession.objects.exists()


def test_a_rate_of_yesterday_changes_nothing(till):
    payment = till.create()
    for asset in ("EUR", "USDT"):
        set_rates()
        late = timezone.now() - timedelta(hours=24, minutes=1)
        AssetPrice.objects.filter(asset=asset).update(as_of=late)

        with pytest.raises(errors.RouteUnavailable):
            fill(payment, WALLET)
    set_rates()
    AssetPrice.objects.filter(asset="EUR").update(as_of=timezone.now() + timedelta(days=2))
    with pytest.raises(errors.RouteUnavailable):
        fill(payment, WALLET)
    assert not Conversion.objects.exists()


def test_an_amount_that_its_fees_would_eat_is_told_so(till):
    payment = till.create(amount="0.50")
    with pytest.raises(errors.AmountTooSmall):
        fill(payment, WALLET)

    GatewayFee.objects.filter(gateway="sepa").update(gateway_units=50)
    with pytest.raises(errors.AmountTooSmall):
        fill(payment, BANK)
    GatewayFee.objects.filter(gateway="sepa").update(gateway_units=49)
    assert review_of(fill(payment, BANK)).arrives_units == 1
    assert FormSession.objects.count() == 1


def test_an_amount_beyond_all_limits_is_refused(till):
    till.give("EUR", 10**18)
    payment = till.create(amount="9000000000000000")

    with pytest.raises(AmountInvalid):
        fill(payment, WALLET)


def test_a_payment_in_dollars_is_paid_as_a_stablecoin(till, finish):
    payment = till.create(currency="USD", amount="50.00")
    AssetPrice.objects.filter(asset="USD").update(as_of=timezone.now())
    pay(payment, WALLET)
    finish()

    assert again(payment).status == "succeeded"
    assert in_books("fx", "USDT", till.livemode) == -49_750_000


# --- What PostgreSQL holds, whoever asks it ------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        "units = units + 1", "currency = 'USD'", "livemode = NOT livemode", "code = repeat('0', 26)",
        "redirect_url = 'https://evil.example'", "webhook_url = 'https://evil.example'",
        "fingerprint = sha256('x')", "key = NULL", "external_id = 'x'", "metadata = '[]'",
        "available_account_id = held_account_id + 9", "created_at = now()", "description = 'x'",
    ],
)  # fmt: skip
def test_the_terms_of_a_payment_never_change(live_till, change):
    payment = live_till.create()

    with pytest.raises(IntegrityError, match="are fixed"):
        said(f"UPDATE payments_payment SET {change} WHERE id = %s", payment.pk)


@pytest.mark.parametrize(
    "change",
    [
        "status = 'pending', finished_at = NULL, failure_code = ''",
        "expires_at = now() + '1 day'",
    ],
)
def test_a_final_payment_never_changes(live_till, change):
    payment = live_till.create()
    assert expire_now(payment.pk)

    with pytest.raises(IntegrityError, match="never changes"):
        said(f"UPDATE payments_payment SET {change} WHERE id = %s", payment.pk)


@pytest.mark.parametrize(
    ("status", "change"),
    [
        (None, "status = 'succeeded', finished_at = now()"),
        (None, "status = 'failed', finished_at = now(), failure_code = 'expired'"),
        (None, "payout_id = NULL"),
        (None, "payout_id = gen_random_uuid()"),
        ("failed", "status = 'succeeded', finished_at = now()"),
    ],
)
def test_a_payment_does_not_run_ahead_of_its_payout(live_till, status, change):
    payment = live_till.create()
    pay(payment, WALLET)
    if status == "failed":
        fail(payment, "rail_rejected")

    with pytest.raises(IntegrityError, match="follows its payout"):
        said(f"UPDATE payments_payment SET {change} WHERE id = %s", payment.pk)


def test_a_payment_that_nobody_paid_has_not_succeeded(live_till):
    payment = live_till.create()

    with pytest.raises(IntegrityError, match=r"follows its payout|succeeds_by_a_payout"):
        said(
            "UPDATE payments_payment SET status = 'succeeded', finished_at = now() WHERE id = %s",
            payment.pk,
        )


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM payments_payment",
        "DELETE FROM payments_paymentpayout",
        "UPDATE payments_paymentpayout SET number = 7",
        "UPDATE payments_formsession SET used_at = now()",
        "UPDATE payments_formsession SET used_at = NULL",
        "UPDATE payouts_conversion SET to_units = to_units + 1",
        "DELETE FROM payouts_conversion",
    ],
)
def test_what_has_happened_stays_happened(live_till, statement):
    pay(live_till.create(), WALLET)

    with pytest.raises(IntegrityError, match=r"for ever|never|is used once"):
        said(statement)


@pytest.mark.parametrize(
    "table", ["payments_payment", "payments_paymentpayout", "payouts_conversion"]
)
def test_a_table_of_what_happened_is_not_emptied(table):
    with pytest.raises(IntegrityError, match=r"never emptied|for ever"):
        said(f"TRUNCATE {table} CASCADE")
