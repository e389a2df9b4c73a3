"""A real browser in front of a real server. Skipped, saying so, where there is none."""

import shutil

import pytest

from tests.tracking.conftest import (  # noqa: F401 - fixtures
    begin,
    begin_at,
    begin_float,
    mended,
    nobody_has_looked_yet,
)

NAMES = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@pytest.fixture(scope="module")
def browser():
    """One browser for a module: while it lives, its event loop runs in this thread."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip("there is no chromium here to look at pages with")
    from playwright.sync_api import sync_playwright

    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        # Django sees that loop and fears for its connections; they are this thread's own.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser, live_server, transactional_db):
    """Opens a page of ours; fails at the end if the browser complained about anything."""
    contexts, complaints = [], []

    def visit(path, *, width=360, allowed="ERR_INTERNET_DISCONNECTED", **options):
        context = browser.new_context(viewport={"width": width, "height": 740}, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console",
            lambda message: (
                complaints.append(message.text)
                if message.type in {"error", "warning"} and allowed not in message.text
                else None
            ),
        )
        page.goto(live_server.url + path)
        return page

    yield visit
    for context in contexts:
        context.close()
    assert complaints == []
