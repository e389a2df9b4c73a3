"""The tracking page in a browser: alive without a reload, and still right without a script."""

import re

import pytest

MOMENT = 8_000


def has_text(page, selector, text):
    page.wait_for_function(
        "([selector, text]) => document.querySelector(selector)?.textContent.includes(text)",
        arg=[selector, text],
        timeout=MOMENT,
    )


def fits(page):
    return page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize(
    ("language", "scheme", "told"),
    [
        ("en-GB", "light", ("Preparing your payout.", "On its way.", "Delivered.")),
        ("fr-FR", "dark", ("Votre paiement se prépare.", "En route.", "Remis.")),
    ],
)
def test_a_payout_is_watched_to_its_end_without_a_reload(
    open_page, begin, width, language, scheme, told
):
    story = begin()
    page = open_page(story.url, width=width, locale=language, color_scheme=scheme)
    page.evaluate("window.isTheSamePage = true")
    assert page.title() == told[0]
    assert fits(page)

    story.send()
    has_text(page, "#sentence", told[1])
    story.cross()
    page.wait_for_selector("#step-4")
    assert page.locator(".leg.is-done").count() == 1
    story.deliver()
    has_text(page, "#sentence", told[2])

    assert page.title() == told[2]
    assert page.locator("#fees").is_visible()
    assert page.locator("#timeline li.is-done").count() == 4
    assert page.locator("#step-arrival").count() == 0
    assert page.evaluate("window.isTheSamePage")
    assert fits(page)


def test_when_it_is_over_nobody_asks_any_more(open_page, begin):
    story = begin().send()
    page = open_page(story.url)
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    story.cross().deliver()
    has_text(page, "#sentence", "Delivered.")
    count = len(asked)
    page.wait_for_timeout(3_500)

    assert len(asked) == count > 0


def test_an_idle_poll_is_answered_304(open_page, begin):
    page = open_page(begin().promise(600).send(300).url)

    with page.expect_response(re.compile(r"/now")) as first:
        pass

    assert first.value.status == 304


def test_the_countdown_ticks_and_the_live_region_stays_silent(open_page, begin):
    story = begin().promise(600).send(300)
    page = open_page(story.url)
    page.evaluate("""() => {
        window.spoken = 0;
        new MutationObserver(() => (window.spoken += 1)).observe(
            document.getElementById("sentence"), { childList: true, subtree: true, characterData: true });
    }""")
    before = page.locator("#eta").text_content()
    page.wait_for_timeout(2_500)
    after = page.locator("#eta").text_content()

    assert re.fullmatch(r"Expected in \d min \d\d s\.", before)
    assert before != after
    assert page.evaluate("window.spoken") == 0
    story.cross().deliver()
    has_text(page, "#sentence", "Delivered.")
    assert page.evaluate("window.spoken") == 1


def test_late_is_said_with_a_new_estimate(open_page, begin):
    story = begin().send(20)
    page = open_page(story.url, timezone_id="Africa/Douala", locale="en-GB")
    story.estimate(3600)
    has_text(page, "#sentence", "Taking longer than usual.")

    shown = page.locator("#eta").text_content()
    local = page.evaluate("""() => new Date(document.querySelector("#eta time").dateTime)
        .toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" })""")
    assert local in shown
    assert "UTC" not in shown


def test_what_the_reader_holds_open_stays_open(open_page, begin):
    story = begin().send()
    page = open_page(story.url)
    page.locator("summary").click()
    page.locator("#step-3 .copy").focus()
    story.cross()
    page.wait_for_selector("#step-4")

    assert page.locator("details").get_attribute("open") is not None
    assert page.evaluate("document.activeElement.className") == "copy"


def test_the_count_grows_and_nothing_else_is_touched(open_page, begin):
    story = begin().send().confirm(1, 65)
    page = open_page(story.url)
    has_text(page, "#words-3", "(1 of 65)")
    page.locator("#proof-3 a").focus()
    page.evaluate("window.kept = ['proof-3', 'more'].map((id) => document.getElementById(id))")
    story.confirm(2, 65)
    has_text(page, "#words-3", "(2 of 65)")

    assert page.evaluate("window.kept.every((part) => part.isConnected)")
    assert page.evaluate("document.activeElement.parentNode.id") == "proof-3"
    assert page.locator("#step-3").get_attribute("class") == "is-current"
    story.cross()
    page.wait_for_selector("#step-4")
    assert page.locator("#step-3").get_attribute("class") == "is-done"


def test_a_hash_can_be_copied_whole(open_page, begin):
    story = begin().send()
    page = open_page(story.url, permissions=["clipboard-read", "clipboard-write"])
    page.locator("#step-3 .copy").click()
    has_text(page, "#step-3 .copy", "Copied")

    assert page.evaluate("navigator.clipboard.readText()") == story.reference(1)


def test_a_lost_connection_is_said_quietly_and_mended(open_page, begin):
    story = begin().send()
    page = open_page(story.url)
    page.context.set_offline(True)
    page.wait_for_function("() => document.getElementById('away').textContent", timeout=15_000)
    assert "No connection." in page.locator("#away").text_content()
    story.cross().deliver()
    page.context.set_offline(False)

    has_text(page, "#sentence", "Delivered.")
    assert page.locator("#away").text_content() == ""


def test_without_javascript_the_page_is_whole_and_renews_itself(open_page, begin):
    story = begin().send()
    page = open_page(story.url, java_script_enabled=False)
    assert page.locator("#sentence").text_content() == "On its way."
    assert re.search(r"Expected at \d\d:\d\d:\d\d UTC\.", page.locator("#eta").text_content())
    assert page.locator(".copy").count() == 0
    story.cross().deliver()

    page.wait_for_selector("main.is-delivered", timeout=8_000)
    assert page.locator("#sentence").text_content() == "Delivered."


@pytest.mark.parametrize(
    ("motion", "animation"), [("no-preference", "travel"), ("reduce", "none")]
)
def test_nothing_moves_for_who_wants_it_still(open_page, begin, motion, animation):
    page = open_page(begin().send().url, reduced_motion=motion)

    assert page.locator(".leg.is-current").evaluate(
        "leg => getComputedStyle(leg).animationName"
    ) == (animation)


def test_everything_to_press_is_big_enough_and_reached_by_keyboard(open_page, begin):
    page = open_page(begin().send().cross().deliver().url)
    pressable = page.locator("a, button, summary").filter(visible=True)
    reached = []
    for _ in range(pressable.count()):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.textContent.trim()"))
        box = page.evaluate("""() => {
            const box = document.activeElement.getBoundingClientRect();
            return [box.width, box.height];
        }""")
        assert min(box) >= 44, reached[-1]

    assert reached == ["Copy", "Explorer"] * 2 + ["Details", "English", "Français"]
    page.locator("summary").focus()
    page.keyboard.press("Enter")
    assert page.locator("#more dl").is_visible()


def test_the_language_changes_without_a_cookie(open_page, begin):
    page = open_page(begin().url, locale="en-GB")
    page.get_by_text("Français").click()

    assert page.locator("html").get_attribute("lang") == "fr"
    assert page.title() == "Votre paiement se prépare."
    assert page.context.cookies() == []


def test_a_checker_of_accessibility_finds_nothing(open_page, begin):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    stories = [
        begin(),
        begin().send(),
        begin().send().cross().deliver(),
        begin().send().fail("no"),
    ]
    for scheme in ("light", "dark"):
        for story in stories:
            page = open_page(story.url, color_scheme=scheme)
            found = axe.run(page).response["violations"]
            assert [(one["id"], one["nodes"]) for one in found] == []
