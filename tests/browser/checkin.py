"""One walk through the hosted form, as a person with a browser takes it."""

import re

WAIT_MS = 10_000


class Walk:
    """A payment's link in a browser. `shoot` is called with a name at every step."""

    def __init__(self, page, payment, shoot):
        self.page, self.payment, self.shoot = page, payment, shoot
        self.link = page.url

    def choose(self, method):
        self.shoot("choose")
        self.page.locator(f'a.way[href*="/{method}"]').click()
        self.page.wait_for_url(f"**/{method}*")
        return self

    def fill(self, answers):
        self.shoot("details")
        for name, value in answers.items():
            box = self.page.locator(f'[name="{name}"]')
            if box.first.get_attribute("type") == "radio":
                self.page.locator(f'[name="{name}"][value="{value}"]').check()
            elif box.evaluate("box => box.tagName") == "SELECT":
                box.select_option(value)
            else:
                box.fill(value)
        self.shoot("filled")
        return self

    def go_on(self):
        self.page.locator("button[type=submit]:visible").click()
        self.page.wait_for_url("**/review/**")
        self.shoot("review")
        return self

    def agree(self):
        self.page.locator("#yes").click()
        self.page.wait_for_url(re.compile(r"/t/"))
        self.shoot("tracking")
        return self

    def again(self):
        """Open the link once more."""
        self.page.goto(self.link)
        return self


def fits(page):
    return page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def too_small(page):
    """What can be pressed and is smaller than a fingertip: 44 px each way."""
    return page.evaluate("""() => [...document.querySelectorAll(
            "a, button, summary, select, .input, label.card")]
        .filter((one) => one.checkVisibility())
        .map((one) => [one.textContent.trim() || one.name, one.getBoundingClientRect()])
        .filter(([, box]) => box.width < 44 || box.height < 43.9)
        .map(([name, box]) => [name, box.width, box.height])""")
