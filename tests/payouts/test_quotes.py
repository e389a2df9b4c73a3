"""A quote locks every term, signs it, and names the payout it will become."""

from datetime import timedelta

import pytest
from django.utils import timezone

from engine.partners.models import FeeSchedule
from engine.payouts.errors import AmountTooSmall, ExternalRefUnknown
from engine.payouts.models import NetworkFee, Quote
from engine.payouts.pricing import forget_prices
from engine.payouts.quotes import SIGNED_TERMS, parse_quote_id, sign_quote
from tests.cast import USDT, fund


def test_a_quote_locks_what_is_sent_what_arrives_and_the_fee(promise):
    quote = promise()

    quote.refresh_from_db()
    assert (quote.units_sent, quote.units_received, quote.units_fee) == (
        100_000_000,
        98_450_000,
        1_550_000,
    )
    assert quote.network_fee_usd_micros == 1_200_000
    assert quote.provider_fee_usd_micros == 0
    assert quote.zopay_fee_usd_micros == 350_000
    assert quote.expires_at - quote.created_at == timedelta(seconds=60)
    assert quote.used_at is None


def test_a_fee_not_below_the_amount_is_refused_with_the_least_that_works(promise):
    with pytest.raises(AmountTooSmall) as refusal:
        promise(units=1_303_258)

    assert refusal.value.details == {"fee_total_usd": "1.303259", "amount_min": "1.30326"}
    assert Quote.objects.exists() is False


def test_an_unknown_user_is_refused(promise):
    with pytest.raises(ExternalRefUnknown):
        promise(external_ref="nobody")


def test_a_public_id_has_78_characters_and_reads_back(promise):
    quote = promise()

    assert len(quote.public_id) == 78
    assert parse_quote_id(quote.public_id) == (quote.id, quote.signature)


@pytest.mark.parametrize("text", ["", "qt_", "q" * 78, "qt_" + "G" * 75, "é" * 78])
def test_what_is_no_quote_id_is_no_quote_id(text):
    assert parse_quote_id(text) is None


@pytest.mark.parametrize("term", SIGNED_TERMS)
def test_the_signature_of_a_live_quote_covers_every_term(promise, term):
    quote = promise()
    honest = sign_quote(quote)

    setattr(quote, term, f"{getattr(quote, term)}0")

    assert honest == quote.signature
    assert sign_quote(quote) != honest


def test_an_older_signing_key_no_longer_signs(promise, settings):
    before = promise().signature
    settings.SIGNING_KEYS = ["a newer signing key of enough length", *settings.SIGNING_KEYS]

    assert sign_quote(Quote.objects.get()) != before


def test_a_live_request_gets_a_new_quote_each_time(promise):
    assert promise().public_id != promise().public_id


def test_a_test_request_gets_the_same_quote_each_time(promise):
    first, again = promise(livemode=False), promise(livemode=False)

    assert (first.public_id, first.payout_id) == (again.public_id, again.payout_id)
    assert Quote.objects.count() == 1


def test_another_test_request_gets_another_quote(promise):
    first, other = promise(livemode=False), promise(livemode=False, units=101 * USDT)

    assert first.public_id != other.public_id


def test_a_test_quote_follows_new_funds_until_it_is_executed(funded, promise):
    short = promise(livemode=False, units=5000 * USDT)
    fund(funded, livemode=False, network="polygon", units=9000 * USDT)

    again = promise(livemode=False, units=5000 * USDT)

    assert short.from_network == "ethereum"
    assert again.from_network == "polygon"
    assert again.public_id == short.public_id


def test_an_executed_test_quote_stands_as_it_was_executed(promise, execute):
    first = promise(livemode=False)
    execute(first)
    NetworkFee.objects.filter(network="ethereum").update(transfer_usd_micros=9_000_000)
    forget_prices()

    again = promise(livemode=False)

    assert again.units_received == first.units_received
    assert again.used_at is not None
    assert again.expires_at > first.expires_at


@pytest.mark.parametrize("units", [1, 1_300_002, 1_303_258])
def test_the_least_that_a_refusal_names_is_enough(promise, units):
    with pytest.raises(AmountTooSmall) as refusal:
        promise(units=units)

    assert refusal.value.details["amount_min"] == "1.30326"
    assert promise(units=1_303_260).units_received == 1


def test_a_quote_s_life_is_measured_by_the_database_s_clock(promise, execute, monkeypatch):
    """A machine whose clock is a day behind would sell quotes that are dead already."""
    now = timezone.now
    monkeypatch.setattr(timezone, "now", lambda: now() - timedelta(days=1))

    quote = promise()

    assert now() - timedelta(seconds=10) < quote.created_at < now() + timedelta(seconds=10)
    assert execute(quote).status == 201


def test_a_fee_schedule_made_a_moment_ago_is_known(promise):
    promise()
    newest = FeeSchedule.objects.create(name="newest", fixed_usd_micros=7, basis_points=0)

    assert promise(fee_schedule_id=newest.pk).zopay_fee_usd_micros == 7
