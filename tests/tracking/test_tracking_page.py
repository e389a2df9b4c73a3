"""What a recipient reads in every state, and what no stranger ever does."""

import re
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders

from engine.partners.models import Partner
from engine.payouts import services
from tests.cast import EVM, TRON

BYTES_MAX = 40_000
NATIVE = {"source": "tron", "target": "tron"}
STATES = {
    "pending": (lambda story: story, "Preparing your payout.", "Votre paiement se prépare."),
    "sent": (lambda story: story.send(), "On its way.", "En route."),
    "crossed": (lambda story: story.send().cross(), "On its way.", "En route."),
    "late": (
        lambda story: story.send().estimate(900),
        "Taking longer than usual.",
        "Plus long que d’habitude.",
    ),
    "delivered": (lambda story: story.send().cross().deliver(), "Delivered.", "Remis."),
    "failed": (
        lambda story: story.send().fail("transfer_reverted"),
        "Not delivered. Nothing was lost: the money went back to Acme.",
        "Non remis. Rien n’est perdu\u202f: l’argent est retourné à Acme.",
    ),
    "cancelled": (
        lambda story: story.cancel(),
        "Cancelled before it was sent. Nothing was lost: the money stayed with Acme.",
        "Annulé avant l’envoi. Rien n’est perdu\u202f: l’argent est resté chez Acme.",
    ),
}


def words(html):
    return re.sub(r"[ \n]+", " ", re.sub(r"<[^>]+>", " ", html)).strip()


def title(html):
    return re.search(r"<title>(.*?)</title>", html)[1]


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("language", ["en", "fr"])
def test_the_title_and_the_live_region_say_the_state(begin, look, state, language):
    steps, english, french = STATES[state]
    html = look(steps(begin()), language)
    expected = english if language == "en" else french

    assert title(html) == expected
    assert words(re.search(r'<p id="sentence" role="status">(.*?)</p>', html)[1]) == expected
    assert f'<html lang="{language}">' in html


def test_the_page_says_who_pays_how_much_and_where(begin, look):
    html = words(look(begin(**NATIVE)))

    assert "Acme pays you 1,245.875 USDT to TJRabP…RTv8 on Tron" in html


def test_french_writes_amounts_as_the_french_do(begin, look):
    html = words(look(begin(**NATIVE), "fr"))

    assert "Acme vous paie 1\xa0245,875 USDT vers TJRabP…RTv8 sur Tron" in html


def test_a_language_in_the_address_wins_over_the_browsers(begin, client):
    response = client.get(begin().url, {"lang": "fr"}, headers={"accept-language": "en"})

    assert response["Content-Language"] == "fr"
    assert "Votre paiement se prépare." in response.content.decode()
    assert response.cookies == {}


@pytest.mark.parametrize("asked", ["de", "fr' onload=", "../fr", ""])
def test_a_language_we_do_not_speak_is_ignored(begin, client, asked):
    response = client.get(begin().url, {"lang": asked})

    assert response["Content-Language"] == "en"
    assert asked not in ("", "de") or "onload" not in response.content.decode()


def test_a_payout_on_its_way_shows_what_it_waits_for_and_the_proof(begin, look):
    story = begin(**NATIVE).send().confirm(12, 20)
    html = look(story)
    reference = story.reference(1)

    assert "Sent on Tron, waiting for confirmations (12 of 20)" in words(html)
    assert "Envoyé sur Tron, en attente de confirmations (12 sur 20)" in words(
        look(story, "fr")
    )
    assert f'href="https://tronscan.org/#/transaction/{reference}"' in html
    assert 'target="_blank" rel="noopener noreferrer"' in html
    assert f"{reference[:6]}…{reference[-4:]}" in html


def test_nobody_counts_what_nobody_has_seen(begin, look):
    html = words(look(begin(**NATIVE).send()))

    assert "Sent on Tron, waiting for confirmations " in html
    assert "waiting for confirmations (" not in html


@pytest.mark.parametrize(
    ("count", "needed", "shown"),
    [(0, 20, "(0 of 20)"), (20, 20, "(20 of 20)"), (31, 20, "(20 of 20)"), (1, 1, "(1 of 1)")],
)
def test_the_count_never_passes_what_is_needed(begin, look, count, needed, shown):
    html = words(look(begin(**NATIVE).send().confirm(count, needed)))

    assert f"waiting for confirmations {shown}" in html


def test_the_count_is_gone_when_it_is_delivered(begin, look):
    html = words(look(begin(**NATIVE).send().confirm(20, 20).deliver()))

    assert "Sent on Tron" in html
    assert "confirmations" not in html


def test_the_details_do_not_change_while_the_chain_grows(begin, look):
    story = begin(**NATIVE).send()

    def details():
        return look(story).partition('<details id="more">')[2].partition("</details>")[0]

    story.confirm(1, 20)
    before = details()
    story.confirm(2, 20)

    assert details() == before
    assert "Sent on Tron" in before


def test_a_bridged_payout_tells_its_two_legs(begin, look):
    story = begin().send().confirm(3, 65)
    waiting = "Sent on Ethereum to the bridge, waiting for confirmations"
    assert f"{waiting} (3 of 65)" in words(look(story))
    story.confirm(0, 0)
    assert waiting in words(look(story))
    assert f"{waiting} (" not in words(look(story))

    services.begin_next_leg([story.id])
    assert "Across the bridge, next is Polygon" in words(look(story))

    html = look(story.cross().confirm(12, 200))
    assert "Sent on Ethereum to the bridge" in words(html)
    assert waiting not in words(html)
    assert "Sent on Polygon, waiting for confirmations (12 of 200)" in words(html)
    assert "https://etherscan.io/tx/" + story.reference(1) in html
    assert "https://polygonscan.com/tx/" + story.reference(2) in html


def test_what_the_house_moved_by_itself_has_no_hash_to_show(begin, look):
    story = begin(source="polygon", target="ethereum").cross_by_the_house()
    moved = "Moved from Polygon to Ethereum by the house&#x27;s own liquidity"

    html = look(story)
    assert moved in words(html)
    assert "house:" not in html
    assert story.id.hex not in html.replace(story.payout.public_id, "")
    assert "polygonscan" not in html

    html = look(story.send_last().confirm(12, 20))
    assert moved in words(html)
    assert "Sent on Ethereum, waiting for confirmations (12 of 20)" in words(html)
    assert html.count("data-copy=") == 3
    assert "https://etherscan.io/tx/" + story.reference(2) in html
    assert "Passé de Polygon à Ethereum grâce aux réserves de la maison" in look(story, "fr")


def test_a_reference_is_proof_once(begin, look):
    html = look(begin(**NATIVE).send().deliver())

    assert html.count("tronscan.org") == 1


def test_fees_show_when_it_is_delivered_and_not_before(begin, look):
    story = begin(**NATIVE).send()
    assert "Fee" not in words(look(story))

    assert "Fee quoted 4.125 USD Fee paid 4.125 USDT" in words(look(story.deliver()))


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("destination_rejected", "The network did not accept this address."),
        ("transfer_reverted", "The network could not complete the transfer."),
        ("something_nobody_foresaw", "The transfer could not be completed."),
    ],
)
def test_a_failure_says_why_and_what_to_do(begin, look, code, why):
    html = words(look(begin(**NATIVE).send().fail(code)))

    assert f"{why} Ask Acme to check the details and send it again." in html
    assert code not in html


def test_what_never_left_is_drawn_where_it_was(begin, look):
    html = look(begin().cancel())

    assert "Ethereum to Bridge: not started. Bridge to Polygon: not started" in html
    assert html.count('class="place is-broken"') == 1


def test_the_route_is_told_to_those_who_cannot_see_it(begin, look):
    story = begin().send()
    assert "Ethereum to Bridge: under way. Bridge to Polygon: not started" in look(story)
    story.cross()
    assert "Ethereum to Bridge: done. Bridge to Polygon: under way" in look(story)
    story.deliver()
    assert "Ethereum to Bridge: done. Bridge to Polygon: done" in look(story)


def test_a_simulated_payout_never_points_to_a_real_explorer(begin, look, settings):
    live = look(begin(rail="simulated").send())
    test = look(begin(rail="simulated", livemode=False).send())

    for html in (live, test):
        assert "etherscan" not in html
        assert f"{settings.ZOPAY_PUBLIC_URL}/simulated/0x" in html
    assert "Demonstration: no real money moves." in live
    assert "Test payout: no real money moves." in test


def test_a_real_payout_has_no_note(begin, look):
    assert 'id="note"' not in look(begin().send())


@pytest.mark.parametrize("state", STATES)
def test_nothing_internal_is_on_the_page(begin, client, state):
    story = STATES[state][0](begin())
    payout, quote = story.payout, story.quote
    whole = "".join(
        client.get(url).content.decode() for url in (story.url, f"{story.url}/now?lang=en")
    )

    secrets = [
        EVM,
        TRON,
        "internal-ref-77",
        str(payout.partner_id),
        payout.partner_id.hex,
        quote.public_id,
        quote.id.hex,
        str(quote.id),
        quote.signature,
        '"evm',
        "sending",
        str(quote.network_fee_usd_micros),
        str(quote.provider_fee_usd_micros),
        "transfer_reverted",
    ]
    assert [secret for secret in secrets if secret in whole] == []


def test_names_are_escaped_and_have_nothing_hidden_in_them(begin, look, fee_schedule):
    partner = Partner.objects.create(name="A", is_approved=True, fee_schedule=fee_schedule)
    story = begin(partner=partner)
    # Written past the model on purpose: the page trusts no row.
    Partner.objects.filter(pk=partner.pk).update(name="<b>Ac\u202eme\u200b</b> & “Co”")
    html = look(story)

    assert "&lt;b&gt;Acme&lt;/b&gt; &amp; “Co”" in html
    assert "<b>" not in html
    assert not set("\u202e\u200b") & set(html)


def test_without_javascript_the_page_reloads_until_it_is_over(begin, look):
    story = begin()
    refresh = '<noscript><meta http-equiv="refresh" content="5"></noscript>'

    assert refresh in look(story)
    assert refresh in look(story.send())
    assert refresh not in look(story.cross().deliver())


def test_it_asks_often_only_when_something_is_near(begin, look):
    story = begin().promise(600)
    assert 'data-poll="4000"' in look(story)
    assert 'data-poll="1500"' in look(story.send(30))
    assert 'data-poll="4000"' in look(story.estimate(1200))
    assert 'data-poll="0"' in look(story.cross().deliver())


def test_there_is_no_inline_script_or_style(begin, look):
    html = look(begin().send())

    assert re.findall(r"<script(?![^>]*\bsrc=)", html) == []
    assert re.findall(r"<style|\sstyle=|\son\w+=|javascript:", html) == []


def test_the_page_weighs_less_than_forty_kilobytes(begin, look):
    html = look(begin().send().cross().deliver(), "fr").encode()
    files = re.findall(rb'(?:href|src)="/static/([\w.-]+)"', html)
    weights = {
        name: Path(finders.find(name)).stat().st_size for name in map(bytes.decode, files)
    }

    print("page", len(html), weights)
    assert set(weights) == {"zopay.css", "tracking.js", "favicon.svg"}
    assert len(html) + sum(weights.values()) < BYTES_MAX
