"""The hosted form in a browser: every way to its end, with and without a script."""

import os
from pathlib import Path

import pytest

from engine.payouts.models import Payout
from engine.payouts.states import Status
from payments.models import FormSession
from tests.browser import axe
from tests.browser.checkin import Walk, fits, too_small
from tests.cast import EVM, TRON
from tests.payments.form_cast import (  # noqa: F401 - fixtures
    BANK,
    IBAN,
    MOBILE,
    end,
    nobody_has_opened_it_yet,
    owe,
    run_out,
)

WAYS = {
    "mobile_money": ("50000", "XAF", MOBILE),
    "bank_transfer": ("100.00", "EUR", BANK),
    "stablecoin": ("100.00", "EUR", {"network": "tron", "address": TRON}),
}
# The browser itself says in its console that a page came with an error's status.
STATUS = "Failed to load resource"
# Where pictures of every step go, to be looked at; nowhere by default.
PICTURES = os.environ.get("CHECKIN_PICTURES")


@pytest.fixture
def walk(open_page, owe):  # noqa: F811 - a fixture
    """Opens the form of a new payment; checks every page on the way."""

    def begin(method="bank_transfer", *, name="", path="", checks=True, **options):
        amount, currency, _ = WAYS[method]
        payment = owe(amount, currency, description="Order #1456")
        page = open_page(f"/checkin/{payment.public_id}{path}", allowed=STATUS, **options)
        shots = []

        def shoot(step):
            shots.append(step)
            if PICTURES and name:
                file = Path(PICTURES) / f"{name}-{len(shots)}-{step}.png"
                page.screenshot(path=file, full_page=True)
            if checks:
                assert fits(page), step
                assert too_small(page) == [], step

        return Walk(page, payment, shoot)

    return begin


def only_payout():
    (payout,) = Payout.objects.all()
    return payout


@pytest.mark.parametrize(
    ("width", "language"), [(360, "fr-FR"), (390, "en-GB"), (1280, "fr-FR")]
)
@pytest.mark.parametrize("script", [True, False], ids=["script", "bare"])
@pytest.mark.parametrize("method", WAYS)
def test_every_way_is_walked_to_its_end(walk, method, script, language, width):
    name = f"{method}-{language[:2]}-{width}{'' if script else '-bare'}"
    way = walk(method, name=name, width=width, locale=language, java_script_enabled=script)
    way.choose(method).fill(WAYS[method][2]).go_on()
    assert way.page.locator("html").get_attribute("lang") == language[:2]
    way.agree()

    assert only_payout().units_received > 0
    assert way.page.locator("html").get_attribute("lang") == language[:2]
    way.again().shoot("used")
    assert way.page.locator("#sentence").count() == 1
    assert way.page.locator("form").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("method", WAYS)
def test_a_checker_of_accessibility_finds_nothing_at_any_step(walk, method, scheme):
    way = walk(method, color_scheme=scheme)
    found = {}

    def check(step):
        found[step] = axe.troubles(way.page)

    way.shoot = check
    way.choose(method)
    way.page.locator("button[type=submit]").click()
    way.page.wait_for_selector("#problem")
    check("wrong")
    way.fill(WAYS[method][2]).go_on()
    way.page.locator("#yes").click()
    way.page.wait_for_url("**/t/**")
    way.again()
    check("used")

    assert {step: wrong for step, wrong in found.items() if wrong} == {}
    assert {"choose", "details", "wrong", "filled", "review", "used"} == set(found)


# --- With a script ------------------------------------------------------------------------


def test_an_iban_is_grouped_while_it_is_typed_with_the_caret_where_it_was(walk):
    way = walk(path="/bank_transfer")
    box = way.page.locator("#iban")
    box.press_sequentially("de893704004405")
    assert box.input_value() == "DE89 3704 0044 05"
    box.evaluate("box => box.setSelectionRange(6, 6)")
    box.press_sequentially("9")

    assert box.input_value() == "DE89 3970 4004 405"
    assert box.evaluate("box => box.selectionStart") == 7
    box.press("Backspace")
    assert box.input_value() == "DE89 3704 0044 05"


def test_a_slip_is_told_while_the_page_stands_and_taken_back(walk):
    way = walk(path="/bank_transfer")
    page = way.page
    page.fill("#holder", "Ada")
    page.fill("#iban", IBAN.replace("89", "88", 1))
    page.keyboard.press("Tab")
    page.wait_for_selector("text=This IBAN has a typing error")
    assert page.locator("#iban").get_attribute("aria-invalid") == "true"
    assert not page.locator("text=Write the name").is_visible()

    page.fill("#iban", "de89-3704-0044-0532-0130-00")
    page.keyboard.press("Tab")
    page.wait_for_selector("text=Looks right: Commerzbank")

    assert page.locator("#iban").get_attribute("aria-invalid") is None
    assert page.locator("#wrong-iban").text_content() == ""
    assert page.locator("#iban").input_value() == IBAN
    assert FormSession.objects.count() == 0


def test_nobody_is_told_of_what_she_has_not_come_to_yet(walk):
    page = walk(path="/bank_transfer").page
    with page.expect_response("**/check"):
        page.locator("#holder").press_sequentially("Ada")
        page.keyboard.press("Tab")

    assert page.locator("#wrong-iban").text_content() == ""
    assert page.locator(".is-wrong").count() == 0


def test_a_number_is_written_in_groups_and_its_operator_is_named(walk):
    page = walk("mobile_money", path="/mobile_money").page
    page.fill("#number", "677123456")
    page.keyboard.press("Tab")
    page.wait_for_selector("text=Looks right: MTN Mobile Money")

    assert page.locator("#number").input_value() == "+237 6 77 12 34 56"
    page.locator("summary").click()
    page.locator('[name=gateway][value="orange_money"]').check()
    page.wait_for_selector("text=Looks right: Orange Money")
    page.fill("#number", "610123456")
    page.locator('[name=gateway][value=""]').check()
    page.wait_for_selector("text=We cannot tell the operator")


def test_without_a_connection_nothing_is_said_and_nothing_lost(walk):
    way = walk(path="/bank_transfer")
    way.page.context.set_offline(True)
    way.fill(BANK)
    way.page.keyboard.press("Tab")
    way.page.wait_for_timeout(1_000)
    assert way.page.locator(".is-wrong").count() == 0
    way.page.context.set_offline(False)
    way.go_on()


def test_pressing_twice_sends_once(walk):
    way = walk(path="/bank_transfer").fill(BANK)
    sent = way.page.evaluate("""() => {
        let sent = 0;
        const form = document.querySelector("form[data-check]");
        form.addEventListener("submit", (event) => {
            if (!event.defaultPrevented) sent += 1;
            event.preventDefault();
        });
        for (let time = 0; time < 3; time += 1) form.querySelector("button").click();
        return sent;
    }""")
    assert sent == 1
    assert way.page.locator("button[aria-disabled=true]").text_content() == "One moment…"
    way.page.reload()
    way.fill(BANK).go_on()
    way.page.locator("#yes").dblclick()
    way.page.wait_for_url("**/t/**")

    only_payout()


def test_who_comes_back_by_the_browser_s_button_finds_the_form_as_it_was(walk):
    way = walk(path="/bank_transfer").fill(BANK).go_on()
    way.page.go_back()
    way.page.wait_for_selector("#iban")

    assert way.page.locator("#iban").input_value() == IBAN
    assert way.page.locator("button[type=submit]").text_content() == "Continue"
    way.go_on().agree()


def test_the_price_counts_down_and_must_be_agreed_to_anew(walk, settings):
    settings.HELD_QUOTE_TTL_SECONDS = 3
    way = walk(path="/bank_transfer").fill(BANK).go_on()
    page = way.page
    assert "This price holds for" in page.locator("#holds").text_content()
    settings.HELD_QUOTE_TTL_SECONDS = 600
    page.wait_for_selector("#renew:visible")
    assert "This price has expired" in page.locator("#holds").text_content()
    assert not page.locator("#yes").is_visible()
    assert axe.troubles(page) == []

    page.locator("#renew").click()
    page.wait_for_url("**renewed**")

    assert "The price was made anew" in page.locator("#sentence").text_content()
    assert Payout.objects.count() == 0
    way.agree()


def test_without_a_script_an_expired_price_is_renewed_and_not_paid(walk, settings):
    settings.HELD_QUOTE_TTL_SECONDS = 1
    way = walk(path="/bank_transfer", java_script_enabled=False).fill(BANK).go_on()
    settings.HELD_QUOTE_TTL_SECONDS = 600
    way.page.wait_for_timeout(1_200)
    way.page.locator("#yes").click()
    way.page.wait_for_url("**renewed**")

    assert Payout.objects.count() == 0
    way.agree()


# --- Two tabs, another site ---------------------------------------------------------------


def test_of_two_tabs_the_first_counts_and_the_second_sees_it(walk, browser):
    way = walk(path="/bank_transfer").fill(BANK).go_on()
    other = way.page.context.new_page()
    other.goto(way.page.url.split("/review/")[0] + "/stablecoin")
    other.locator("[name=network][value=polygon]").check()
    other.fill("#address", EVM)
    other.locator("button[type=submit]").click()
    other.wait_for_url("**/review/**")
    other.locator("#yes").click()
    other.wait_for_url("**/t/**")

    way.page.locator("#yes").click()
    way.page.wait_for_selector("text=It is on its way.")

    assert "0x5aAe…eAed (Polygon)" in way.page.locator("#state").text_content()
    assert only_payout().to_network == "polygon"
    way.page.get_by_role("link", name="Watch it arrive").click()
    way.page.wait_for_url("**/t/**")


def test_the_browser_goes_back_to_the_payer_s_site_and_nowhere_else(open_page, owe, acme):  # noqa: F811 - a fixture
    acme.redirect_hosts = ["shop.example.com"]
    acme.save()
    payment = owe(redirect_url="https://shop.example.com/back?order=7")
    page = open_page(f"/checkin/{payment.public_id}/bank_transfer")
    page.context.route(
        "https://shop.example.com/**",
        lambda route: route.fulfill(body="<title>Thank you</title>", content_type="text/html"),
    )
    way = Walk(page, payment, lambda _step: None)
    way.fill(BANK).go_on()
    page.locator("#yes").click()
    page.wait_for_url("https://shop.example.com/**")

    assert page.url == f"https://shop.example.com/back?order=7&payment_id={payment.public_id}"
    assert page.title() == "Thank you"
    assert page.evaluate("document.referrer") == ""


def test_one_link_leads_through_a_failure_to_the_end(walk, settings, live_server):
    settings.ZOPAY_PUBLIC_URL = live_server.url
    way = walk("mobile_money", name="mended", path="/mobile_money").fill(MOBILE).go_on().agree()
    page = way.page
    end(way.payment, Status.FAILED, "payee_not_found")
    page.get_by_role("link", name="Correct the details").click()
    page.wait_for_url("**/checkin/**")
    way.shoot("failed")
    assert page.url == way.link.removesuffix("/mobile_money")
    assert "This number has no mobile-money account." in page.locator(".problem").text_content()
    assert axe.troubles(page) == []

    way.choose("mobile_money").fill(MOBILE | {"number": "699123456"}).go_on().agree()
    end(way.payment, Status.DELIVERED)
    page.wait_for_selector("text=Delivered.")
    page.goto(way.link.removesuffix("/mobile_money"))
    way.shoot("done")

    assert "It has arrived." in page.locator("#sentence").text_content()
    page.get_by_role("link", name="See how it arrived").click()
    page.wait_for_url("**/t/**")


@pytest.mark.parametrize("script", [True, False])
def test_an_expired_link_says_so_in_french(walk, script):
    way = walk(name="expired", locale="fr-FR", java_script_enabled=script)
    run_out(way.payment)
    way.again().shoot("expired")

    assert "Ce lien a expiré." in way.page.locator("#sentence").text_content()
    assert way.page.locator("a.way, form").count() == 0
    # A checker is a script, too.
    assert not script or axe.troubles(way.page) == []


# --- Hands, eyes and languages ------------------------------------------------------------


def test_the_form_is_filled_in_by_keyboard_alone(walk):
    way = walk()
    keys = way.page.keyboard
    keys.press("Tab")
    keys.press("Enter")
    way.page.wait_for_url("**/bank_transfer")
    keys.press("Tab")
    keys.type("Ada Müller")
    keys.press("Tab")
    keys.type(IBAN.replace(" ", ""))
    keys.press("Enter")
    way.page.wait_for_url("**/review/**")
    keys.press("Tab")
    assert way.page.evaluate("document.activeElement.id") == "yes"
    keys.press("Enter")
    way.page.wait_for_url("**/t/**")


@pytest.mark.parametrize("script", [True, False])
def test_what_is_wrong_has_the_focus_and_leads_to_its_field(walk, script):
    way = walk(path="/bank_transfer", java_script_enabled=script)
    page = way.page
    page.locator("button[type=submit]").click()
    page.wait_for_selector("#problem")
    assert page.locator(":focus").get_attribute("id") == "problem"
    assert page.title().startswith("Something is not right yet")

    page.locator("#problem a").nth(1).click()
    assert page.locator(":focus").get_attribute("id") == "iban"


def test_the_language_changes_on_every_page_without_a_cookie(walk):
    way = walk(path="/bank_transfer").fill(BANK).go_on()
    way.page.get_by_text("Français").click()
    way.page.wait_for_selector("html[lang=fr]")
    assert "Tout est juste" in way.page.title()
    way.agree()

    assert way.page.locator("html").get_attribute("lang") == "fr"
    assert way.page.context.cookies() == []


@pytest.mark.parametrize(("width", "zoom"), [(320, 1), (360, 2)])
def test_a_narrow_screen_and_letters_twice_as_large_still_fit(walk, width, zoom):
    way = walk("stablecoin", width=width, locale="fr-FR")
    for path in ("", "/bank_transfer", "/stablecoin"):
        way.page.goto(way.link + path)
        way.page.evaluate("zoom => (document.documentElement.style.zoom = zoom)", zoom)
        wide = way.page.evaluate("""() => [...document.querySelectorAll("main *")]
            .filter((one) => one.getBoundingClientRect().right > innerWidth + 1)
            .map((one) => one.outerHTML)""")
        assert wide == []
