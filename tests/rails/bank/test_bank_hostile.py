"""Files from outside that are not what they seem. None changes anything, or takes long."""

import tracemalloc
from time import monotonic

import pytest

from engine.rails.bank import reading
from engine.rails.bank.reading import FileUnreadable
from engine.rails.bank.statements import read_bank_file
from engine.rails.models import BankStatement, BankTransfer
from tests.rails.bank.bank import entry, order, report, statement
from tests.rails.bank.play import row

pytestmark = pytest.mark.django_db

SPACE = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"
HEAD = f'<Document xmlns="{SPACE}"><BkToCstmrStmt>'
TAIL = "</BkToCstmrStmt></Document>"
BOMB = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10 if n else "lol"}">' for n in range(10))


@pytest.fixture
def good(account, send):
    """A statement that would settle a transfer."""
    (sent,) = send()
    return statement(entry(row(sent))).decode()


def refused(content, match="It is"):
    """Refused, and everything as it was."""
    before = list(BankTransfer.objects.order_by("id").values())
    raw = content.encode() if isinstance(content, str) else content
    with pytest.raises(FileUnreadable, match=match):
        read_bank_file(raw, file_name="x", by="mallory")
    assert list(BankTransfer.objects.order_by("id").values()) == before
    assert BankStatement.objects.count() == 0


def with_dtd(content, dtd):
    head, _, rest = content.partition("?>")
    return f"{head}?>{dtd}{rest}"


@pytest.mark.parametrize(
    "dtd",
    [
        "<!DOCTYPE Document>",
        '<!DOCTYPE Document SYSTEM "file:///etc/passwd">',
        '<!DOCTYPE Document SYSTEM "http://127.0.0.1:9/x.dtd">',
        '<!DOCTYPE Document [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE Document [<!ENTITY % x SYSTEM "http://127.0.0.1:9/x"> %x;]>',
        f"<!DOCTYPE Document [{BOMB}]>",
        '<!DOCTYPE Document [<!ENTITY a "' + "a" * 50_000 + '">]>',
        '<!DOCTYPE Document [<!ATTLIST Document x CDATA "y">]>',
    ],
)
def test_a_document_type_is_refused_whatever_it_says(good, dtd):
    refused(with_dtd(good, dtd), "document type or entities")


@pytest.mark.parametrize(
    "space",
    [
        "urn:iso:std:iso:20022:tech:xsd:camt.052.001.08",
        "urn:iso:std:iso:20022:tech:xsd:camt.053.001.99",
        "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08x",
        "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09",
        "urn:iso:std:iso:20022:tech:xsd:pacs.008.001.08",
        "http://camt.053.001.08",
        "",
    ],
)
def test_a_namespace_that_is_none_of_ours_is_refused(good, space):
    refused(good.replace(SPACE, space), "neither pain.002 nor")


def test_elements_of_another_namespace_are_refused(good):
    refused(good.replace("<Ntry>", '<Ntry xmlns="urn:other">'), "mixes namespaces")


def test_what_a_bank_adds_in_its_own_names_is_passed_over(good):
    extra = '<SplmtryData><Envlp><x xmlns="urn:other"><y/></x></Envlp></SplmtryData>'

    told, _ = read_bank_file(
        good.replace("</BkToCstmrStmt>", f"{extra}</BkToCstmrStmt>").encode(),
        file_name="x",
        by="ada",
    )

    assert [line["did"] for line in told.lines] == ["arrived"]


def test_a_report_that_says_to_be_a_statement_moves_nothing(account, send):
    (sent,) = send()
    content = report(row(sent).file.message_id, order(row(sent))).decode()

    told, _ = read_bank_file(
        content.replace("pain.002.001.10", "camt.053.001.08").encode(),
        file_name="x",
        by="mallory",
    )

    assert (told.lines, told.changed) == ([], 0)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b" ",
        b"\x00",
        b"not xml",
        b"{}",
        b"<",
        b"<Document/>",
        b"<?xml version='1.0' encoding='nonsense'?><Document/>",
        b"<?xml version='1.0' encoding='utf-7'?><Document/>",
        b"\xff\xfe<\x00",
        b"PK\x03\x04",
        b"\x1f\x8b\x08",
        f"{HEAD}<Stmt>".encode(),
        f"{HEAD}<Stmt></Ntry></Stmt>{TAIL}".encode(),
        f"{HEAD}\x00{TAIL}".encode(),
        f"{HEAD}{TAIL}{HEAD}{TAIL}".encode(),
        f"{HEAD}&nbsp;{TAIL}".encode(),
        HEAD.encode() + b"\xc3\x28" + TAIL.encode(),
    ],
)
def test_what_is_no_xml_is_refused(db, content):
    refused(content)


def test_a_file_that_breaks_off_in_the_middle_has_changed_nothing(good):
    for end in range(len(good) // 2, len(good), 97):
        refused(good[:end])


def test_a_file_that_is_too_large_is_refused_before_it_is_read(good, settings):
    settings.BANK_FILE_MB_MAX = 1
    padded = good.replace("</Document>", " " * 1024 * 1024 + "</Document>")
    began = monotonic()

    refused(padded, "larger than 1 MB")

    assert monotonic() - began < 1


def test_a_hundred_megabytes_are_refused_at_once(good):
    began = monotonic()

    refused(good.encode() + b" " * 100 * 1024 * 1024, "larger than 20 MB")

    assert monotonic() - began < 5


def test_depth_is_refused_before_it_costs_anything(db):
    refused(HEAD + "<a>" * 100_000 + "</a>" * 100_000 + TAIL, "nested too deeply")


def test_elements_that_nobody_asked_for_cost_no_memory(db):
    content = (HEAD + "<Stmt>" + "<a/>" * 200_000 + "</Stmt>" + TAIL).encode()
    tracemalloc.start()
    try:
        told, _ = read_bank_file(content, file_name="x", by="ada")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert told.lines == []
    assert peak < 10 * 1024 * 1024


def test_more_elements_than_any_bank_writes_are_refused(db, monkeypatch):
    monkeypatch.setattr(reading, "ELEMENTS_MAX", 1000)

    refused(HEAD + "<a/>" * 1000 + TAIL, "holds too much")


def test_a_report_about_two_files_is_refused(account, send):
    (sent,) = send()
    content = report(row(sent).file.message_id, status="RJCT", reason="FF01").decode()
    part = content[content.index("<OrgnlGrpInfAndSts>") : content.index("</CstmrPmtStsRpt>")]

    refused(content.replace(part, part + part), "which file")
    refused(content.replace(part, ""), "which file")


def test_words_longer_than_any_are_cut_and_match_nothing(account, send):
    (sent,) = send()
    content = statement(entry(row(sent))).decode()
    long = content.replace(sent.reference, sent.reference + "A" * 10_000)

    told, _ = read_bank_file(long.encode(), file_name="n" * 10_000, by="m" * 10_000)

    assert told.lines == []
    assert (len(told.file_name), len(told.read_by)) == (200, 150)


def test_markup_in_a_word_is_text(account, send):
    (sent,) = send()
    content = statement(entry(row(sent), reference="&lt;script&gt;"))

    told, _ = read_bank_file(content, file_name="<b>", by="ada")

    assert told.lines[0]["did"] == "arrived"
