"""The French words: all there, none left over, and the compiled file says the same."""

import ast
import gettext
import re
from pathlib import Path

import pytest
from django.utils.translation.template import templatize

from engine.rails import places
from tracking.moods import CATALOGUE

ROOT = Path(__file__).parent.parent.parent
FRENCH = ROOT / "locale" / "fr" / "LC_MESSAGES"
MARKERS = {"gettext", "ngettext", "_", "gettext_noop", "gettext_lazy", "ngettext_lazy"}
PLACES = re.compile(r"%\(\w+\)[sd]|\{\}|<[^>]+>")


def read_po():
    """Each msgid with its translations: one, or one for each plural form."""
    entries, ids, texts, field = {}, [], [], None
    for line in [*(FRENCH / "django.po").read_text().splitlines(), 'msgid ""']:
        match = re.match(r'(msgid|msgid_plural|msgstr)(?:\[\d\])? (".*")', line)
        if match is None:
            if line.startswith('"'):
                field[-1] += ast.literal_eval(line)
            continue
        if match[1] == "msgid":
            if ids:
                entries[tuple(ids)] = texts
            ids, texts = [], []
        field = texts if match[1] == "msgstr" else ids
        field.append(ast.literal_eval(match[2]))
    del entries[("",)]
    return entries


def said_in_source():
    """Every text the pages and their Python mark for translation, and what they pass on."""
    marked = {failure.recipient for failure in CATALOGUE.values()}
    marked |= {
        place.english for place in places.PLACES.values() if place.kind is places.Kind.BANK
    }
    for folder in ("tracking", "payments"):
        for path in (ROOT / folder).glob("**/*.py"):
            marked |= {call[0] for call in _calls(path.read_text()) if call}
    pages = [
        *(ROOT / "templates").glob("*.html"),
        *(ROOT / "templates/tracking").glob("**/*.html"),
        *(ROOT / "templates/payments").glob("**/*.html"),
    ]
    for path in pages:
        text = templatize(path.read_text(), origin=str(path))
        marked |= set(re.findall(r"gettext\(u?'((?:[^'\\]|\\.)*)'", text))
        marked |= {
            ast.literal_eval(found)
            for found in re.findall(r'n?gettext\(u?("(?:[^"\\]|\\.)*")', text)
        }
    return {one.replace("\\'", "'") for one in marked}


def _calls(source):
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in MARKERS:
            yield [
                argument.value for argument in node.args if isinstance(argument, ast.Constant)
            ]


def test_every_text_of_the_pages_is_in_french():
    assert said_in_source() - {ids[0] for ids in read_po()} == set()


def test_nothing_is_translated_that_nobody_says():
    assert {ids[0] for ids in read_po()} - said_in_source() == set()


@pytest.mark.parametrize(("ids", "texts"), read_po().items(), ids=lambda value: str(value)[:40])
def test_a_translation_has_the_same_places_to_fill(ids, texts):
    for text in texts:
        assert text
        assert sorted(PLACES.findall(text)) == sorted(PLACES.findall(ids[0]))
        # It goes into attributes as it is.
        assert '"' not in PLACES.sub("", text)


def test_the_compiled_words_are_the_written_ones():
    with (FRENCH / "django.mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)._catalog
    written = {}
    for ids, texts in read_po().items():
        if len(ids) == 1:
            written[ids[0]] = texts[0]
        else:
            written |= {(ids[0], form): text for form, text in enumerate(texts)}

    assert {key: text for key, text in compiled.items() if key} == written
