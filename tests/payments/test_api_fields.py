"""Every field of POST /api/payments means one thing, or is refused and nothing moves."""

import pytest

from tests.payments.api_cast import BODY, Shop, assert_is_problem, make_token, traces

pytestmark = pytest.mark.django_db

HOST = "shop.example"
RETURN = f"https://{HOST}/thanks"


@pytest.fixture
def shop(till):
    till.partner.redirect_hosts = [HOST]
    till.partner.save()
    return Shop(make_token(till.partner, livemode=till.livemode))


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
