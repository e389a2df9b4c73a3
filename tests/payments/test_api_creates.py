"""POST /api/payments: one body, one payment, and the money set aside once.

A test of a refusal proves that nothing was written and nothing moved.
"""

import re
from uuid import uuid4

import pytest

from payments.models import Payment
from payments.services import expire_now
from tests.payments.api_cast import (
    BODY,
    SAMPLE,
    Shop,
    assert_is_problem,
    make_token,
    traces,
)
from tests.payments.till import Till

pytestmark = pytest.mark.django_db

EURO = 100
HOST = "shop.example"
RETURN = f"https://{HOST}/thanks"


@pytest.fixture
def shop(till):
    till.partner.redirect_hosts = [HOST]
    till.partner.save()
    return Shop(make_token(till.partner, livemode=till.livemode))


def test_the_published_sample_works_as_it_is_printed(shop, till):
    answer = shop.post(body=SAMPLE, key=SAMPLE["externalId"])

    assert answer.status_code == 201
    told = answer.json()
    assert re.fullmatch(r"pay_[0-9abcdefghjkmnpqrstvwxyz]{26}", told["id"])
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", told.pop("createdAt"))
    assert told == {
        "id": told["id"],
        "status": "pending",
        "url": f"http://127.0.0.1:8000/checkin/{told['id']}",
        "externalId": SAMPLE["externalId"],
        "amount": "10.00",
        "currency": "EUR",
        "description": "Order #1456",
        "metadata": {"orderId": 1456},
    }
    assert till.left() == 1000 * EURO - 10 * EURO
    assert answer["Cache-Control"] == "no-store"
    assert "Idempotent-Replayed" not in answer


def test_what_is_not_echoed_is_kept(shop):
    told = shop.make(
        redirectUrl=RETURN,
        webhookUrl="https://hooks.shop.example/a?b=c",
        customer={"id": "c-1", "name": "Ada Lovelace"},
    )

    assert not {"redirectUrl", "webhookUrl", "customer"} & set(told)
    payment = Payment.objects.get()
    assert (payment.redirect_url, payment.webhook_url) == (
        RETURN,
        "https://hooks.shop.example/a?b=c",
    )
    assert (payment.customer_id, payment.customer_name) == ("c-1", "Ada Lovelace")


@pytest.mark.parametrize("given", [{}, {"type": "payin"}])
def test_what_would_collect_money_is_refused(shop, given):
    before = traces()
    body = {name: text for name, text in BODY.items() if name != "type"} | given

    problem = assert_is_problem(shop.post(body=body), 422, "payin_not_supported")

    assert problem["detail"] == 'Say "type": "payout". Nothing is collected here.'
    assert traces() == before


# --- The same again --------------------------------------------------------------


def test_the_same_with_the_same_key_is_the_same_payment(shop, till):
    key = str(uuid4())
    first, again = shop.ask(key=key), shop.ask(key=key)

    assert (first.status_code, again.status_code) == (201, 200)
    assert again["Idempotent-Replayed"] == "true"
    assert again.json() == first.json()
    assert till.left() == 990 * EURO


def test_the_same_without_a_key_is_the_same_payment(shop, till):
    first, again = shop.ask(), shop.ask()

    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()
    assert till.left() == 990 * EURO


def test_without_a_key_it_is_also_what_was_made_with_one(shop, till):
    first, again = shop.ask(key="k-1"), shop.ask()

    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json()["id"] == first.json()["id"]
    assert till.left() == 990 * EURO


def test_another_key_is_another_payment(shop, till):
    ids = {shop.ask(key=str(uuid4())).json()["id"] for _ in range(3)}

    assert len(ids) == 3
    assert till.left() == 970 * EURO


def test_the_order_of_members_and_white_space_are_not_part_of_what_was_asked(shop, till):
    raw = '{"type":"payout" , "currency":"EUR","amount":"10.00"\n}'
    first, again = shop.ask(), shop.post(raw=raw)

    assert again.json()["id"] == first.json()["id"]
    assert till.left() == 990 * EURO


def test_the_same_key_with_another_body_is_a_conflict(shop):
    shop.ask(key="k-1")
    before = traces()

    assert_is_problem(shop.ask(key="k-1", amount="11.00"), 409, "idempotency_conflict")

    assert traces() == before


def test_one_external_id_is_one_payment_whatever_the_key(shop, till):
    first = shop.ask(externalId="order-1", key="k-1")
    again = [shop.ask(externalId="order-1", key=key) for key in ("k-1", "k-2", None)]

    assert {answer.json()["id"] for answer in again} == {first.json()["id"]}
    assert {answer.status_code for answer in again} == {200}
    assert till.left() == 990 * EURO


@pytest.mark.parametrize("key", [None, "k-1", "k-2"])
def test_an_external_id_with_another_body_is_a_conflict(shop, key):
    shop.ask(externalId="order-1", key="k-0")
    before = traces()

    answer = shop.ask(externalId="order-1", amount="11.00", key=key)

    assert_is_problem(answer, 409, "external_id_conflict")
    assert traces() == before


def test_the_same_again_is_shown_as_it_stands_now(shop):
    told = shop.make(externalId="order-1")
    assert expire_now(Payment.objects.get().pk)

    again = shop.ask(externalId="order-1").json()

    assert (again["id"], again["status"]) == (told["id"], "failed")
    assert again["failure"]["code"] == "expired"


def test_a_host_that_left_the_list_does_not_hide_what_was_asked_before(shop, till):
    first = shop.ask(redirectUrl=RETURN, key="k-1")
    till.partner.redirect_hosts = []
    till.partner.save()

    again = shop.ask(redirectUrl=RETURN, key="k-1")
    assert (again.status_code, again.json()) == (200, first.json())
    before = traces()
    answer = shop.ask(redirectUrl=RETURN, key="k-2")
    assert_is_problem(answer, 422, "redirect_url_invalid")
    assert traces() == before


def test_modes_and_partners_know_nothing_of_each_other_s_keys_and_names(shop, till, other):
    Till(till.partner, livemode=not till.livemode)
    Till(other, livemode=till.livemode)
    elsewhere = [
        Shop(make_token(till.partner, livemode=not till.livemode)),
        Shop(make_token(other, livemode=till.livemode)),
    ]
    mine = shop.ask(key="k-1", externalId="order-1")
    theirs = [
        stranger.ask(key="k-1", externalId="order-1", description="another body")
        for stranger in elsewhere
    ]

    assert [answer.status_code for answer in (mine, *theirs)] == [201] * 3
    assert len({answer.json()["id"] for answer in (mine, *theirs)}) == 3


# --- Money -----------------------------------------------------------------------


def test_more_than_there_is_is_refused_and_a_top_up_lets_it_through(shop, till):
    before = traces()
    problem = assert_is_problem(
        shop.ask(amount="1000.01", key="k-1"), 422, "insufficient_funds"
    )
    assert problem["retryable"] is False
    assert traces() == before

    till.give("EUR", 1)
    assert shop.ask(amount="1000.01", key="k-1").status_code == 201
    assert till.left() == 0


@pytest.mark.parametrize(
    ("currency", "amount", "left"), [("XAF", "5000", 995_000), ("XAF", "5000.00", 995_000)]
)
def test_francs_have_no_decimals(shop, till, currency, amount, left):
    assert shop.make(currency=currency, amount=amount)["amount"] == "5000"
    assert till.left("XAF") == left


@pytest.mark.parametrize(
    "amount",
    [
        "0", "0.00", "-1", "+1", "1e3", "１２", "1_000", " 5 ", "5 ", "1,00", "10,000.00",
        ".5", "5.", "00.10", "1.001", "0.001", "Infinity", "NaN", "0x10", "10.00\n", "10.00€",
        "9" * 40, "1" + "0" * 19, "1\u200b0", "١٢",
    ],
)  # fmt: skip
def test_an_amount_is_written_in_one_way_only(shop, amount):
    before = traces()

    assert_is_problem(shop.ask(amount=amount), 422, "amount_invalid")

    assert traces() == before


@pytest.mark.parametrize("currency", ["CHF", "USDT", "ZZZ"])
def test_a_currency_we_do_not_keep_is_refused(shop, currency):
    before = traces()

    answer = shop.ask(currency=currency)

    if currency == "USDT":
        assert_is_problem(answer, 400, "invalid_input")
    else:
        assert_is_problem(answer, 422, "currency_not_supported")
    assert traces() == before


# --- Every field, strictly -------------------------------------------------------

LONG = "x" * 255
BAD_FIELDS = {
    "amount as a number": ({"amount": 10}, "/amount", "invalid"),
    "amount as a float": ({"amount": 10.5}, "/amount", "invalid"),
    "amount as null": ({"amount": None}, "/amount", "null"),
    "amount as a list": ({"amount": ["10.00"]}, "/amount", "invalid"),
    "amount empty": ({"amount": ""}, "/amount", "blank"),
    "amount of 65 digits": ({"amount": "1" * 65}, "/amount", "max_length"),
    "currency in small letters": ({"currency": "eur"}, "/currency", "invalid"),
    "currency with a space": ({"currency": "EUR "}, "/currency", "invalid"),
    "currency in full width": ({"currency": "ＥＵＲ"}, "/currency", "invalid"),
    "currency of four": ({"currency": "EURO"}, "/currency", "invalid"),
    "currency with a line end": ({"currency": "EUR\n"}, "/currency", "invalid"),
    "type in capitals": ({"type": "PAYOUT"}, "/type", "invalid_choice"),
    "type as a list": ({"type": ["payout"]}, "/type", "invalid_choice"),
    "type null": ({"type": None}, "/type", "null"),
    "description too long": ({"description": LONG + "x"}, "/description", "max_length"),
    "description with an override": ({"description": "\u202eevil"}, "/description", "invisible"),
    "description with an isolate": ({"description": "a\u2066b"}, "/description", "invisible"),
    "description with a zero width": ({"description": "a\u200bb"}, "/description", "invisible"),
    "description with a joiner": ({"description": "a\u2060b"}, "/description", "invisible"),
    "description with a BOM": ({"description": "\ufeffa"}, "/description", "invisible"),
    "description with a line end": ({"description": "a\nb"}, "/description", "invisible"),
    "description with an escape": ({"description": "a\x1b[31m"}, "/description", "invisible"),
    "description with a separator": ({"description": "a\u2028b"}, "/description", "invisible"),
    "description with a filler": ({"description": "\u3164"}, "/description", "invisible"),
    "description as an object": ({"description": {}}, "/description", "invalid"),
    "externalId too long": ({"externalId": LONG + "x"}, "/externalId", "max_length"),
    "externalId as a number": ({"externalId": 1456}, "/externalId", "invalid"),
    "externalId with a zero width": ({"externalId": "a\u200b"}, "/externalId", "invisible"),
    "metadata as a list": ({"metadata": [1]}, "/metadata", "not_an_object"),
    "metadata as a text": ({"metadata": "{}"}, "/metadata", "not_an_object"),
    "metadata null": ({"metadata": None}, "/metadata", "null"),
    "metadata with an array": ({"metadata": {"a": [1]}}, "/metadata", "array"),
    "metadata with a null": ({"metadata": {"a": None}}, "/metadata", "null"),
    "metadata with a number of 300 digits": ({"metadata": {"a": 1e300}}, "/metadata", "number"),
    "metadata with one inside": ({"metadata": {"a": {"b": [1e20]}}}, "/metadata", "number"),
    "metadata too large": ({"metadata": {"a": "x" * 4089}}, "/metadata", "too_large"),
    "metadata of wide letters": ({"metadata": {"a": "é" * 2045}}, "/metadata", "too_large"),
    "customer as a text": ({"customer": "Ada"}, "/customer", "invalid"),
    "customer's name turned": (
        {"customer": {"name": "Ada\u202e"}}, "/customer/name", "invisible",
    ),
    "customer's name too long": (
        {"customer": {"name": LONG + "x"}}, "/customer/name", "max_length",
    ),
    "customer's id as a number": ({"customer": {"id": 7}}, "/customer/id", "invalid"),
    "customer's mail": ({"customer": {"email": "a@b.c"}}, "/customer/email", "unknown_field"),
    "a member nobody knows": ({"metaData": {}}, "/metaData", "unknown_field"),
    "redirectUrl too long": (
        {"redirectUrl": f"https://{HOST}/" + "x" * 2048}, "/redirectUrl", "max_length",
    ),
    "redirectUrl as a list": ({"redirectUrl": [RETURN]}, "/redirectUrl", "invalid"),
    "webhookUrl too long": (
        {"webhookUrl": f"https://{HOST}/" + "x" * 2048}, "/webhookUrl", "max_length",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("changes", "pointer", "code"), BAD_FIELDS.values(), ids=BAD_FIELDS)
def test_a_wrong_field_is_named_and_nothing_moves(shop, changes, pointer, code):
    before = traces()

    problem = assert_is_problem(shop.ask(**changes), 400, "invalid_input")

    assert [(error["pointer"], error["code"]) for error in problem["errors"]] == [
        (pointer, code)
    ]
    assert traces() == before


@pytest.mark.parametrize("name", ["amount", "currency"])
def test_what_is_required_is_missed(shop, name):
    before = traces()
    body = {one: text for one, text in BODY.items() if one != name}

    problem = assert_is_problem(shop.post(body=body), 400, "invalid_input")

    assert [(e["pointer"], e["code"]) for e in problem["errors"]] == [(f"/{name}", "required")]
    assert traces() == before


def test_the_longest_of_everything_is_taken(shop):
    told = shop.make(
        description=LONG,
        externalId=LONG,
        metadata={"a": "x" * 4088},
        customer={"id": LONG, "name": LONG},
        redirectUrl=f"https://{HOST}/".ljust(2048, "x"),
        webhookUrl="https://hooks.shop.example/".ljust(2048, "x"),
    )

    assert (told["description"], told["metadata"]) == (LONG, {"a": "x" * 4088})


METADATA = {
    "empty": {},
    "deep": {"a": {"b": [1, None, {"c": [True, 2.5, "é"]}]}},
    "letters of all the world": {"名": "日本語 Ω ß 🙂", "": "no name"},
    "markup": {"a": "<script>alert(1)</script>", "b": "'; DROP TABLE x; --"},
    "numbers": {"a": 1456, "b": -0.5, "c": 1e15, "d": 2**64 - 1, "e": 5e-324, "f": -(2**63)},
}


@pytest.mark.parametrize("metadata", METADATA.values(), ids=METADATA)
def test_metadata_comes_back_as_it_was_sent(shop, metadata):
    made = shop.make(metadata=metadata)

    assert made["metadata"] == metadata
    assert shop.get(f"/api/payments/{made['id']}").json()["metadata"] == metadata


def test_text_of_any_script_comes_back_as_it_was_sent(shop):
    for text in ("Заказ №1", "注文 #1", "طلب ١", "<b>&amp;</b>", "Zoë’s 🙂", "  two  spaces "):
        assert shop.make(description=text)["description"] == text


# --- URLs ------------------------------------------------------------------------

REDIRECTS = [
    f"http://{HOST}/", "javascript:alert(1)", f"//{HOST}/", f"https:/{HOST}/",
    f"https://{HOST}@evil.example/", f"https://evil.example\\@{HOST}/",
    f"https://evil.example/{HOST}", f"https://{HOST}.evil.example/",
    f"https://evil{HOST}/", f"https://sub.{HOST}/", f"https://{HOST}:8443/",
    f"https://{HOST}/\r\nSet-Cookie: a=b", f"https://{HOST}/\\evil", f"https://{HOST}./",
    f"https://{HOST}%2eevil.example/", "https://ｓhop.example/", f"https://{HOST} /",
    f"\thttps://{HOST}/", f"https://{HOST}\u3002evil.example/", "https:///thanks",
    f"ftp://{HOST}/", "data:text/html,x", f"https://u:p@{HOST}/", "nonsense", " ",
]  # fmt: skip


@pytest.mark.parametrize("url", REDIRECTS)
def test_nobody_is_sent_where_the_partner_has_not_said(shop, url):
    before = traces()

    assert_is_problem(shop.ask(redirectUrl=url), 422, "redirect_url_invalid")

    assert traces() == before


WEBHOOKS = [
    "http://hooks.shop.example/", "https://127.0.0.1/", "https://[::1]/", "https://localhost/",
    "https://169.254.169.254/latest", "https://a:b@hooks.shop.example/", "https://10.0.0.1/",
    "https://hooks.shop.example/#x", "https://intranet/", "https://2130706433/",
    "https://[64:ff9b::a9fe:a9fe]/", "https://0x7f.1/", "ftp://hooks.shop.example/",
    "https://hooks.shop.example:22/", "https://hooks.shop.example\\@127.0.0.1/", "nonsense",
]  # fmt: skip


@pytest.mark.parametrize("url", WEBHOOKS)
def test_no_webhook_is_promised_to_an_address_we_do_not_send_to(shop, url):
    before = traces()

    assert_is_problem(shop.ask(webhookUrl=url), 422, "webhook_url_refused")

    assert traces() == before


# --- Keys ------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["a b", "é", "x" * 256, '"', "", " "])
def test_a_key_is_visible_ascii(shop, key):
    before = traces()

    assert_is_problem(shop.ask(key=key), 400, "idempotency_key_invalid")

    assert traces() == before


def test_a_quoted_key_is_the_same_key(shop):
    assert shop.ask(key='"k-1"').json()["id"] == shop.ask(key="k-1").json()["id"]
