"""Reading XML that came from outside: what a bank sent, or whoever says to be one.

No DTD, no entity, nothing fetched (defusedxml); no more bytes than BANK_FILE_MB_MAX, which
is checked before anything is parsed; one known namespace from the first element to the
last; depth and size bounded, and what is not asked for forgotten at once, so that a file
costs memory by its largest entry and not by its length.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from io import BytesIO
from typing import TYPE_CHECKING

from django.conf import settings

from engine.rails.bank.references import SCALE

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from xml.etree.ElementTree import Element

    Path = tuple[str, ...]

NAMESPACE = re.compile(
    r"urn:iso:std:iso:20022:tech:xsd:"
    r"((?:pain\.002\.001\.(?:0[3-9]|1[0-4]))|(?:camt\.05[34]\.001\.(?:0[2-9]|1[0-3])))\Z"
)
AMOUNT = re.compile(r"([0-9]{1,13})(?:\.([0-9]{1,5}))?\Z", re.ASCII)
CODE = re.compile(r"[A-Z0-9]{1,4}\Z", re.ASCII)
DEPTH_MAX = 40
ELEMENTS_MAX = 2_000_000
# Where banks put what the standard has no place for, in names of their own.
EXTRA = "SplmtryData"
TEXT_MAX = 140
MEGABYTE = 1024 * 1024


class FileUnreadable(Exception):
    """It is no file that a bank answers in. Its text says why, and nothing was changed."""


@dataclass(frozen=True, slots=True)
class Money:
    """An amount as a bank wrote it. `units` is None where it is none that we could pay."""

    units: int | None
    currency: str


def kind_of(content: bytes) -> str:
    """Which message it is, such as `camt.053.001.08`. Raises FileUnreadable."""
    for root, _, _ in _events(content):
        return _kind(root)
    raise FileUnreadable("It is empty.")


def units_in(content: bytes, wanted: Collection[Path]) -> Iterator[tuple[Path, Element]]:
    """The elements at the `wanted` paths below Document, each whole, in their order.

    Paths are local names. Raises FileUnreadable, perhaps after some were given already.
    """
    stack: list[Element] = []
    path: list[str] = []
    inside = 0
    count = 0
    for element, is_start, name in _events(content):
        if is_start:
            count += 1
            stack.append(element)
            path.append(name)
            if len(stack) > DEPTH_MAX or count > ELEMENTS_MAX:
                raise FileUnreadable("It is nested too deeply, or holds too much.")
            inside += tuple(path[1:]) in wanted
            continue
        here = tuple(path[1:])
        if here in wanted:
            yield here, element
            inside -= 1
        stack.pop()
        path.pop()
        if not inside and stack:
            stack[-1].remove(element)


def _events(content: bytes) -> Iterator[tuple[Element, bool, str]]:
    """Each element as it begins and as it ends, with its local name."""
    # Here: only whoever reads a bank's file needs it.
    from defusedxml.common import DefusedXmlException
    from defusedxml.ElementTree import ParseError, iterparse

    if len(content) > settings.BANK_FILE_MB_MAX * MEGABYTE:
        raise FileUnreadable(f"It is larger than {settings.BANK_FILE_MB_MAX} MB.")
    namespace, extra = "", 0
    try:
        for event, element in iterparse(
            BytesIO(content), events=("start", "end"), forbid_dtd=True
        ):
            space, _, name = element.tag.rpartition("}")
            if not namespace:
                _kind(element)
                namespace = space
            extra += (name == EXTRA) * (1 if event == "start" else -1)
            if space != namespace and not extra:
                raise FileUnreadable("It mixes namespaces.")
            yield element, event == "start", name
    except DefusedXmlException:
        raise FileUnreadable("It has a document type or entities, as no bank's has.") from None
    except (ParseError, ValueError, LookupError) as error:
        raise FileUnreadable(f"It is no XML: {type(error).__name__}.") from None


def _kind(root: Element) -> str:
    space, _, name = root.tag.rpartition("}")
    known = NAMESPACE.match(space.removeprefix("{"))
    if known is None or name != "Document":
        raise FileUnreadable("It is neither pain.002 nor camt.053 nor camt.054.")
    return known[1]


def text_at(element: Element | None, *paths: str) -> str:
    """The text at the first of these paths that has one; empty where none has."""
    if element is None:
        return ""
    space = element.tag.rpartition("}")[0].removeprefix("{")
    for path in paths:
        text = element.findtext(path, namespaces={"": space})
        if text and text.strip():
            return text.strip()[:TEXT_MAX]
    return ""


def all_at(element: Element, path: str) -> list[Element]:
    """The elements at a path below one."""
    space = element.tag.rpartition("}")[0].removeprefix("{")
    return element.findall(path, namespaces={"": space})


def money_at(element: Element, *paths: str) -> Money | None:
    """The amount at the first of these paths that is there."""
    for path in paths:
        found = all_at(element, path)
        if found:
            return Money(_units(found[0].text or ""), found[0].get("Ccy", "")[:3])
    return None


def _units(text: str) -> int | None:
    if AMOUNT.match(text.strip()) is None:
        return None
    units = Decimal(text.strip()).scaleb(SCALE)
    return int(units) if units == int(units) else None


def code_at(element: Element | None, *paths: str) -> str:
    """A code of four letters at the first of these paths; empty where it is none.

    What a bank writes freely may hold anybody's name, and is not taken.
    """
    text = text_at(element, *paths)
    return text if CODE.match(text) else ""
