"""What a recipient reads whom an operator or a bank pays, and what no stranger ever does."""

import html
import re
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone, translation
from django.utils.formats import date_format

from engine.payouts.models import GatewayFee, Payout
from tests.tracking.carried_words import BY_BANK, BY_MTN, SET_ASIDE, lines, sentence, words
from tests.tracking.float_story import IBAN, NUMBER, ORANGE, STATES
from tests.tracking.test_tracking_page import title
from tracking.page import amount_of

PLACES = ("mtn_momo", "orange_money", "sepa")


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("language", ["en", "fr"])
def test_the_title_and_the_live_region_say_where_the_money_is(
    begin_at, look, state, place, language
):
    page = look(STATES[state](begin_at(place)), language)
    expected = (BY_BANK if place == "sepa" else BY_MTN)[state][language == "fr"]
    if place == "orange_money":
        expected = expected.replace("MTN Mobile Money", "Orange Money").replace("MTN", "Orange")

    assert html.unescape(title(page)) == sentence(page) == expected


def test_it_says_how_much_goes_where(begin_at, look):
    by_mtn, by_orange = begin_at("mtn_momo", units=5000), begin_at("orange_money", units=1)
    by_bank = begin_at("sepa", units=123_450)

    assert "Acme pays you 5,000 XAF to your number +237 … 789 by MTN Mobile Money" in words(
        look(by_mtn)
    )
    assert "Acme pays you 1 XAF to your number +237 … 789 by Orange Money" in words(
        look(by_orange)
    )
    assert "Acme pays you 1,234.50 EUR to your account DE … 3000 by SEPA transfer" in words(
        look(by_bank)
    )
    assert (
        "Acme vous paie 5\xa0000 XAF vers votre numéro +237 … 789 par MTN Mobile Money"
        in words(look(by_mtn, "fr"))
    )
    assert (
        "Acme vous paie 1\xa0234,50 EUR vers votre compte DE … 3000 par virement SEPA"
        in words(look(by_bank, "fr"))
    )


def test_the_steps_of_an_operator_and_its_reference(begin_at, look):
    story = begin_at("mtn_momo").send()
    page = look(story)
    reference = story.reference()

    assert lines(page) == [
        "Acme ordered this payout",
        "Sent to MTN",
        "Arrival in your MTN Mobile Money account",
    ]
    assert lines(look(story, "fr")) == [
        "Acme a demandé ce paiement",
        "Envoyé à MTN",
        "Arrivée sur votre compte MTN Mobile Money",
    ]
    assert f"Reference {reference[:6]}…{reference[-4:]}" in words(page)
    assert f'data-copy="{reference}"' in page
    assert page.count("target=") == 0

    done = look(story.deliver())
    assert lines(done) == ["Acme ordered this payout", "Sent to MTN", "Confirmed by MTN"]
    assert done.count(f'data-copy="{reference}"') == 1


def test_the_steps_of_a_bank_and_its_reference(begin_at, look):
    story = begin_at("sepa").send()
    assert lines(look(story)) == [
        "Acme ordered this payout",
        "Handed to the bank",
        "Arrival in your bank account",
    ]
    assert lines(look(story, "fr"))[1:] == [
        "Remis à la banque",
        "Arrivée sur votre compte bancaire",
    ]
    assert f'data-copy="{story.reference()}"' in look(story)

    assert lines(look(story.deliver()))[-1] == "Paid by the bank"
    assert lines(look(story, "fr"))[-1] == "Payé par la banque"


@pytest.mark.parametrize(
    ("place", "stops"),
    [
        ("mtn_momo", ("Sender to MTN", "MTN to Your phone")),
        ("orange_money", ("Sender to Orange", "Orange to Your phone")),
        ("sepa", ("Sender to Bank", "Bank to Your account")),
    ],
)
def test_the_route_goes_through_its_hands(begin_at, look, place, stops):
    first, last = stops
    story = begin_at(place)
    assert f"{first}: not started. {last}: not started" in look(story)
    assert f"{first}: done. {last}: under way" in look(story.send())
    assert f"{first}: done. {last}: done" in look(story.deliver())
    assert f"{first}: done. {last}: stopped" in look(begin_at(place).send().fail("x"))
    assert f"{first}: not started. {last}: not started" in look(begin_at(place).fail("x"))


@pytest.mark.parametrize("reason", ["operator_down", "liquidity", "account", "frozen", "rail"])
def test_what_waits_promises_no_moment(begin_at, look, reason):
    assert 'id="eta"' not in look(begin_at("mtn_momo").wait(reason))


def test_what_waits_is_told_when_it_is_late_as_well(begin_at, look):
    story = begin_at("mtn_momo").wait("liquidity").promise(-60)

    assert sentence(look(story)) == SET_ASIDE[0].replace(
        "Waiting to leave.", "Taking longer than usual."
    )


def test_what_it_waited_for_is_forgotten_once_it_is_sent(begin_at, look):
    story = begin_at("mtn_momo").wait("operator_down").send()

    assert sentence(look(story)) == BY_MTN["sent"][0]


def test_a_bank_is_told_in_days_and_an_operator_in_seconds(begin_at, look):
    day = timezone.now() + timedelta(days=2)
    by_bank, by_mtn = begin_at("sepa").send(2 * 86_400), begin_at("mtn_momo").send(20)
    Payout.objects.update(promised_at=day + timedelta(hours=1))

    assert f"Expected by {date_format(day, 'l j F')} ." in words(look(by_bank))
    with translation.override("fr"):
        assert f"au plus tard le {date_format(day, 'l j F')}" in words(look(by_bank, "fr"))
    assert 'data-due="' not in look(by_bank)
    assert 'data-poll="30000"' in look(by_bank)
    assert '<meta http-equiv="refresh" content="30">' in look(by_bank)
    assert 'data-due="' in look(by_mtn)
    assert 'data-due="' in look(by_bank.estimate(600))


def test_no_bank_pays_on_a_weekend(begin_at, look):
    story = begin_at("sepa").send()
    now = timezone.now()
    saturday = now + timedelta(days=(5 - now.weekday()) % 7 or 7)
    for days, day in ((0, 2), (1, 2), (2, 2), (3, 3)):
        Payout.objects.update(
            estimated_delivery_at=saturday + timedelta(days=days),
            promised_at=saturday + timedelta(days=3),
        )
        shown = date_format(saturday + timedelta(days=day), "l j F")
        assert f"Expected by {shown} ." in words(look(story))


@pytest.mark.parametrize(("days", "is_late"), [(-3, False), (-5, True)])
def test_a_weekend_and_a_holiday_make_no_bank_late(begin_at, look, days, is_late):
    story = begin_at("sepa").send().promise(days * 86_400)

    assert ("Taking longer than usual." in look(story)) == is_late


def test_a_bank_s_payment_is_told_by_its_day(begin_at, look):
    story = begin_at("sepa").send().deliver()
    moment = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
    Payout.objects.filter(pk=story.id).update(finished_at=moment)

    assert "Paid on Monday 2 March ." in words(look(story))
    assert "Payé le lundi 2 mars ." in words(look(story, "fr"))
    assert "took" not in words(look(story))


def test_who_pays_fees_on_top_is_said_and_not_how_much(begin_at, look):
    story = begin_at("mtn_momo").send()
    assert "Fees" not in words(look(story))
    page = words(look(story.deliver()))

    assert story.payout.units_sent == 5025
    assert "Fees Paid by Acme" in page
    assert "Frais Payés par Acme" in words(look(story, "fr"))
    assert "5,025" not in page
    assert "25 XAF" not in page
    assert "Fee paid" not in page


def test_what_came_out_of_her_money_is_told_to_the_unit(begin_at, look):
    GatewayFee.objects.filter(gateway="sepa").update(
        gateway_units=20, platform_units=30, gateway_basis_points=0, platform_basis_points=0
    )
    story = begin_at("sepa", units=10_000, door="payments").send().deliver()

    assert "Fee quoted 0.50 EUR Fee paid 0.50 EUR" in words(look(story))
    assert "Frais annoncés 0,50 EUR Frais payés 0,50 EUR" in words(look(story, "fr"))


def test_every_wait_and_its_end_have_another_etag(begin_at, client):
    story = begin_at("mtn_momo")
    Payout.objects.update(
        promised_at=timezone.now() + timedelta(hours=1),
        estimated_delivery_at=timezone.now() + timedelta(hours=1),
    )
    seen = []
    for reason in ("", "operator_down", "liquidity", "frozen", ""):
        story.wait(reason)
        seen.append(client.get(f"{story.url}/now", {"lang": "en"})["ETag"])
    story.send(3600)
    seen.append(client.get(f"{story.url}/now", {"lang": "en"})["ETag"])

    assert seen[0] == seen[4]
    assert len(set(seen)) == 5


def test_it_costs_what_a_chain_s_page_costs(begin_at, client, django_assert_num_queries):
    story = begin_at("mtn_momo").send()
    with django_assert_num_queries(2):
        client.get(story.url)
    with django_assert_num_queries(2):
        etag = client.get(f"{story.url}/now")["ETag"]
    with django_assert_num_queries(1):
        client.get(f"{story.url}/now", headers={"if-none-match": etag})


def test_what_is_only_tried_out_says_so(begin_at, look, settings):
    assert 'id="note"' not in look(begin_at("mtn_momo").send())
    assert "Test payout: no real money moves." in look(begin_at("mtn_momo", livemode=False))
    assert "Demonstration: no real money moves." in look(begin_at("sepa", rail="simulated"))
    settings.ZOPAY_DEMO = True
    assert "Demonstration: no real money moves." in look(begin_at("mtn_momo"))


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("place", PLACES)
def test_nothing_internal_is_on_the_page(begin_at, client, place, state):
    story = STATES[state](begin_at(place, units=900_100))
    payout, quote = story.payout, story.quote
    whole = "".join(
        client.get(url, headers={"accept-language": language}).content.decode()
        for url in (story.url, f"{story.url}/now")
        for language in ("en", "fr")
    )
    secrets = [
        *(NUMBER, NUMBER[1:], NUMBER[4:], ORANGE, IBAN, IBAN[4:], "7044", "670006", "690006"),
        *(str(payout.partner_id), payout.partner_id.hex, quote.public_id, quote.id.hex),
        *(str(quote.id), quote.signature, place, "sending", "disbursements", "momo_"),
        *("operator_down", "liquidity", "frozen", "payee_not_found", "The funds are back"),
        *(
            amount_of(quote.units_fee, quote.asset),
            amount_of(payout.units_sent, quote.asset),
            "waiting_for",
            "explorer_url",
        ),
    ]
    # What is random and may be shown could hold any four digits.
    shown = re.sub(r'data-etag="[^"]+"', "", whole)
    for public in (story.reference(), payout.public_id, story.token):
        shown = shown.replace(public, "")

    assert [secret for secret in secrets if secret in shown] == []


@pytest.mark.parametrize("place", PLACES)
def test_a_link_that_is_nearly_right_opens_nothing(begin_at, client, place):
    story = begin_at(place)
    forged = story.token[:-1] + ("A" if story.token[-1] != "A" else "Q")
    answers = [
        client.get(f"/t/{token}{end}") for token in (forged, "x") for end in ("", "/now")
    ]

    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.content for answer in answers}) == 1
