"""The picture for the README: what is served, beside what PostgreSQL alone could do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zopay_site.embedded.home import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FILE = ROOT / "docs" / "images" / "performance.svg"
LIMIT, OURS, OTHERS = "#9aa3ad", "#1f6f5c", "#c9cfd6"
INK = "#1c2127"
# Pixels: the picture, its margin, the title, a row, its bar, its label, room for a figure.
WIDTH, EDGE, TOP, STEP, BAR, LABELS, FIGURES = 860, 16, 52, 38, 24, 270, 80
# The rows that say something to who has never seen the table, and in which words.
SHOWN = {
    "L": ("PostgreSQL alone, one execute each", LIMIT),
    "POST /payouts/batch": ("POST /payouts/batch, 100 each", OURS),
    "POST /payouts": ("POST /payouts", OURS),
    "end to end": ("executed and delivered", OURS),
    "django-hordak behind DRF": ("django-hordak behind DRF", OTHERS),
    "localstripe": ("localstripe", OTHERS),
}


def draw(told: Mapping[str, Any], file: Path = FILE) -> Path:
    """Bars of payouts a second, as SVG; the same figures give the same file."""
    import drawsvg

    rates = {
        name: told["rows"][name]["per_second"]
        for name in SHOWN
        if told["rows"].get(name, {}).get("per_second")
    }
    height = TOP + STEP * len(rates)
    drawing = drawsvg.Drawing(WIDTH, height, font_family="sans-serif")
    drawing.append(drawsvg.Rectangle(0, 0, WIDTH, height, fill="white"))
    cores = told["machine"]["cores"]
    title = f"Payouts a second, with everything on one machine of {cores} cores"
    drawing.append(drawsvg.Text(title, 17, EDGE, 28, fill=INK, font_weight="bold"))
    scale = (WIDTH - LABELS - FIGURES) / max(rates.values(), default=1)
    for place, (name, rate) in enumerate(rates.items()):
        label, colour = SHOWN[name]
        top = TOP + STEP * place
        middle = top + BAR / 2
        width = max(rate * scale, 1)
        drawing.append(
            drawsvg.Text(label, 14, EDGE, middle, fill=INK, dominant_baseline="middle")
        )
        drawing.append(drawsvg.Rectangle(LABELS, top, width, BAR, rx=3, fill=colour))
        drawing.append(
            drawsvg.Text(
                f"{rate:,.0f}",
                14,
                LABELS + width + 8,
                middle,
                fill=INK,
                dominant_baseline="middle",
            )
        )
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(drawing.as_svg() + "\n")
    return file
