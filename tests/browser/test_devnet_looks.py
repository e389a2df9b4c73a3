"""The development chain's explorer in a browser: it fits, it folds, anybody can use it."""

import pytest

from tests.tracking.test_devnet_page import PATH, RECEIPT
from tests.tracking.test_devnet_page import node as devnet  # noqa: F401 - a fixture


@pytest.mark.usefixtures("devnet")
@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_and_unfolds(open_page, width, scheme):
    page = open_page(PATH, width=width, color_scheme=scheme)
    receipt = page.locator("pre")
    assert not receipt.is_visible()
    lines = page.locator(".facts code").evaluate_all(
        "codes => codes.map((code) => code.getClientRects().length)"
    )
    page.locator("summary").click()

    assert RECEIPT["gasUsed"] in receipt.text_content()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    # Addresses in one line each; the hash of 66 characters takes two on a phone.
    assert lines == ([1, 1, 1, 2] if width == 360 else [1, 1, 1, 1])


@pytest.mark.usefixtures("devnet")
@pytest.mark.parametrize("path", [PATH, "/devnet/ethereum/tx/0x0"])
def test_a_checker_of_accessibility_finds_nothing(browser, live_server, path):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    for scheme in ("light", "dark"):
        page = browser.new_context(color_scheme=scheme).new_page()
        page.goto(live_server.url + path)
        for fold in page.locator("summary").all():
            fold.click()
        found = axe.run(page).response["violations"]
        assert [(one["id"], one["nodes"]) for one in found] == []
