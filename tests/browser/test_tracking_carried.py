"""Payouts to a phone and to a bank account, watched in a browser."""

import re
from datetime import timedelta
from itertools import pairwise

import pytest
from django.utils import timezone

from engine.payouts.models import Payout
from tests.browser.test_tracking_live import fits, has_text
from tests.tracking.carried_words import BY_BANK, BY_MTN


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize(
    ("language", "scheme"), [("en-GB", "light"), ("fr-FR", "dark")], ids=["en", "fr"]
)
@pytest.mark.parametrize(("place", "told"), [("mtn_momo", BY_MTN), ("sepa", BY_BANK)])
def test_it_is_watched_to_its_end_without_a_reload(
    open_page, begin_at, width, language, scheme, place, told
):
    french = language == "fr-FR"
    story = begin_at(place, units=123_456_700)
    page = open_page(story.url, width=width, locale=language, color_scheme=scheme)
    page.evaluate("window.isTheSamePage = true")
    assert page.title() == told["pending"][french]
    assert fits(page)

    story.wait("liquidity")
    has_text(page, "#sentence", told["liquidity"][french].split(". ")[0])
    assert page.title() == told["liquidity"][french]
    assert page.locator("#eta").count() == 0
    assert fits(page)
    story.send()
    has_text(page, "#sentence", told["sent"][french].split(". ")[0])
    assert page.locator(".leg.is-done").count() == 1
    assert page.locator("#step-3 a").count() == 0
    assert fits(page)
    story.deliver()
    has_text(page, "#sentence", told["delivered"][french].split(". ")[0])

    assert page.title() == told["delivered"][french]
    assert page.locator(".leg.is-done").count() == 2
    assert page.locator("#fees").is_visible()
    assert page.evaluate("window.isTheSamePage")
    page.locator("summary").click()
    assert fits(page)


@pytest.mark.parametrize("language", ["en-GB", "fr-FR"])
@pytest.mark.parametrize("place", ["mtn_momo", "orange_money", "sepa"])
def test_the_names_along_the_route_do_not_run_into_each_other(
    open_page, begin_at, acme, language, place
):
    acme.name = "Coopérative des planteurs de Bafoussam"
    acme.save()
    page = open_page(begin_at(place).send().url, width=320, locale=language)
    rows = page.evaluate("""() => [...document.querySelectorAll(".route .place")].map((place) =>
        [...place.querySelectorAll("text")].map((text) => {
            const box = text.getBoundingClientRect();
            return [box.left, box.right];
        }))""")

    for row in zip(*rows, strict=True):
        shown = [(left, right) for left, right in row if right > left]
        assert all(one[1] + 4 <= after[0] for one, after in pairwise(shown))
        assert shown[0][0] >= 0
        assert shown[-1][1] <= 320


def test_an_operator_s_reference_can_be_copied_whole(open_page, begin_at):
    story = begin_at("mtn_momo").send()
    page = open_page(story.url, permissions=["clipboard-read", "clipboard-write"])
    page.locator("#step-3 .copy").click()
    has_text(page, "#step-3 .copy", "Copied")

    assert page.evaluate("navigator.clipboard.readText()") == story.reference()


@pytest.mark.parametrize(
    ("language", "day"), [("en-GB", "Wednesday 4 March"), ("fr-FR", "mercredi 4 mars")]
)
def test_a_bank_s_day_is_the_reader_s_own(open_page, begin_at, language, day):
    story = begin_at("sepa").send().deliver()
    # An hour before midnight in UTC is tomorrow in Douala.
    Payout.objects.filter(pk=story.id).update(finished_at="2026-03-03T23:30:00Z")
    page = open_page(story.url, locale=language, timezone_id="Africa/Douala")

    assert day in page.locator("#eta").text_content().replace(",", "")


def test_a_bank_is_not_counted_down(open_page, begin_at):
    story = begin_at("sepa").send(2 * 86_400)
    Payout.objects.update(promised_at=timezone.now() + timedelta(days=3))
    page = open_page(story.url)

    assert page.locator("#eta").text_content().startswith("Expected by ")
    assert not re.search(r"\d+ (s|min|h)\b", page.locator("#eta").text_content())


@pytest.mark.parametrize("javascript", [True, False])
def test_the_button_that_mends_comes_by_itself_and_can_be_pressed(
    open_page, begin_at, mended, live_server, javascript
):
    story = begin_at("mtn_momo").send()
    page = open_page(story.url, java_script_enabled=javascript)
    mended(story, url=f"{live_server.url}/healthz")
    story.fail("payee_not_found")
    button = page.locator("#mend a")
    button.wait_for(timeout=9_000)

    assert button.text_content() == "Correct the details"
    assert min(button.bounding_box()["width"], button.bounding_box()["height"]) >= 44
    if javascript:
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Correct the details"
    button.click()
    page.wait_for_url("**/healthz")


def test_a_checker_of_accessibility_finds_nothing(open_page, begin_at, mended):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    failed = begin_at("mtn_momo").send().fail("payee_not_found")
    stories = [
        begin_at("mtn_momo").wait("operator_down"),
        begin_at("orange_money").send(),
        begin_at("sepa").send().deliver(),
        failed,
    ]
    mended(failed)
    for scheme in ("light", "dark"):
        for story in stories:
            page = open_page(story.url, color_scheme=scheme)
            found = axe.run(page).response["violations"]
            assert [(one["id"], one["nodes"]) for one in found] == []
