"""What is not paid, and that nothing moves when it is not.

Goal: every refusal leaves the books as they were and, where it can, the form open.
"""

from datetime import timedelta

import pytest
from django.utils import timezone

from engine.common.errors import AmountInvalid
from engine.common.times import now_in_books
from engine.partners.models import Partner
from engine.payouts import errors, fence, journal
from engine.payouts.models import (
    AssetPrice,
    BlockedDestination,
    Conversion,
    Freeze,
    GatewayFee,
    Limit,
)
from payments.errors import PaymentNotOpen
from payments.models import FormSession
from payments.opening import is_open
from payments.payees import Payee
from payments.services import create_payment, submit
from payments.sessions import review_of
from tests.cast import footprint
from tests.payments.till import (
    BANK,
    MOMO,
    WALLET,
    Till,
    again,
    fail,
    fill,
    in_books,
    pay,
    set_rates,
)

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.usefixtures("books_are_true"),
]


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


def test_a_partner_whose_approval_was_taken_away_pays_nobody(live_till):
    payment = live_till.create()
    session = fill(payment, WALLET)
    partner = Partner.objects.filter(pk=payment.partner_id)
    partner.update(is_approved=False)
    before = footprint()

    with pytest.raises(errors.PayoutsFrozen):
        submit(session.code, payment.pk)
    with pytest.raises(errors.PayoutsFrozen):
        fill(payment, BANK)
    assert footprint() == before
    assert is_open(again(payment), now_in_books())

    partner.update(is_approved=True)
    assert submit(session.code, payment.pk).payout_id


def test_a_partner_who_is_not_approved_yet_may_try_it_in_test_mode(acme):
    till = Till(acme, livemode=False)
    Partner.objects.filter(pk=acme.pk).update(is_approved=False)

    assert pay(till.create(), WALLET).payout_id


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


def test_who_may_not_read_the_journals_goes_by_what_workers_found(live_till, monkeypatch):
    def refuse(home):
        raise PermissionError(home)

    monkeypatch.setattr(journal, "folders", refuse)

    assert create_payment(live_till.wish(key="k-1"))[1]
    fence.put_up("a test")
    with pytest.raises(errors.PayoutsFrozen):
        create_payment(live_till.wish(key="k-2"))
    assert not create_payment(live_till.wish(key="k-1"))[1]
