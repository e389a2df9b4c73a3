"""Every colour of text can be read on its paper, by day and by night."""

import re
from pathlib import Path

import pytest

STYLES = (Path(__file__).parent.parent.parent / "static" / "zopay.css").read_text()
CONTRAST_MIN = 4.5
INKS = ("ink", "quiet", "pending", "moving", "done", "broken")
LIGHT, DARK = (
    dict(re.findall(r"--(\w+): (#[0-9a-f]{6});", block))
    for block in re.findall(r":root \{(.*?)\}", STYLES, re.DOTALL)
)


def luminance(colour):
    """Relative luminance as WCAG 2 defines it."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
        for value in channels
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("ink", INKS)
@pytest.mark.parametrize("tokens", [LIGHT, DARK], ids=["light", "dark"])
def test_text_stands_out_from_its_paper(tokens, ink):
    lower, higher = sorted(luminance(tokens[name]) for name in ("paper", ink))

    assert (higher + 0.05) / (lower + 0.05) >= CONTRAST_MIN
