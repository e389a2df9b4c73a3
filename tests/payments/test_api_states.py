"""A form of the partner's own: the same questions, one view at a time, and money moves once."""

import pytest

from engine.payouts.models import Freeze, Payout
from engine.rails.places import mask
from payments import access
from payments.models import FormSession, Payment
from payments.services import expire_now
from tests.payments.api_cast import Shop, assert_is_problem, make_token, traces
from tests.payments.till import IBAN, set_rates

pytestmark = pytest.mark.django_db

BANK = {"holder": "Ada Lovelace", "iban": "DE89 3704 0044 0532 0130 00"}
MOMO = {"country": "CM", "number": "6 70 00 67 89"}
WALLET = {"network": "tron", "address": "TJRabPrwbZy45sbavfcjinPJC18kjpRTv8"}


@pytest.fixture(autouse=True)
def nobody_counted():
    access.PROMISES.forget()


@pytest.fixture
def shop(till):
    return Shop(make_token(till.partner, livemode=till.livemode))


@pytest.fixture
def form(till):
    """The token that a partner's form may hold: it fills in and sees no list."""
    return Shop(
        make_token(till.partner, livemode=till.livemode, may_pay_out=False, may_fill_forms=True)
    )


def promise(form, made, view="bank_transfer", **answers):
    answer = form.step(made["id"], view, **(answers or BANK))
    assert answer.status_code == 200, answer.content
    return answer.json()["state"]


# --- The views -------------------------------------------------------------------


def test_the_views_say_how_each_leads_to_the_next(form):
    told = form.get("/api/views", type="payout", currency="EUR").json()

    assert told["type"] == "payout"
    assert {view["id"]: view["previousViews"] for view in told["views"]} == {
        "method": [],
        "bank_transfer": ["method"],
        "stablecoin": ["method"],
        "review": ["bank_transfer", "stablecoin"],
        "result": ["review"],
    }
    assert [sorted(view) for view in told["views"]] == [
        ["description", "fields", "id", "previousViews"]
    ] * 5
    bank = told["views"][1]
    assert [(field["name"], field["kind"], field["required"]) for field in bank["fields"]] == [
        ("holder", "text", True),
        ("iban", "text", True),
    ]


def test_without_a_currency_every_method_is_there_with_all_its_choices(form):
    told = form.get("/api/views", type="payout").json()
    methods = {method["id"]: method for method in told["methods"]}
    views = {view["id"]: view for view in told["views"]}

    assert set(methods) == {"mobile_money", "bank_transfer", "stablecoin"}
    assert methods["mobile_money"]["currencies"][0] == "XAF"
    assert methods["bank_transfer"]["currencies"] == ["EUR"]
    country = views["mobile_money"]["fields"][0]
    assert {"CM", "GA"} <= {choice["value"] for choice in country["choices"]}
    for view in told["views"]:
        for field in view["fields"]:
            values = [choice["value"] for choice in field.get("choices", [])]
            assert len(values) == len(set(values))


def test_the_views_speak_french_when_asked_and_english_afterwards(form):
    french = form.get("/api/views", type="payout", currency="EUR", lang="fr").json()
    english = form.get("/api/views", type="payout", currency="EUR").json()

    assert french["methods"][0]["title"] == "Virement bancaire"
    assert english["methods"][0]["title"] == "Bank transfer"


def test_the_views_write_nothing(form):
    form.get("/api/views", type="payout")
    before = traces()
    for _ in range(10):
        assert form.get("/api/views", type="payout").status_code == 200
    assert traces() == before


# --- One view at a time ----------------------------------------------------------


def test_a_look_changes_nothing(shop, form):
    made = shop.make()
    before = traces()

    told = [form.step(made["id"]).json() for _ in range(10)]

    assert told[0] == made | {
        "state": {
            "view": "method",
            "previousViews": [],
            "fields": {},
            "methods": ["bank_transfer", "stablecoin"],
        }
    }
    assert told == [told[0]] * 10
    assert traces() == before


def test_from_the_method_to_the_result(shop, form, till, finish):
    made = shop.make()
    chosen = form.step(made["id"], "method", method="bank_transfer").json()["state"]
    assert chosen == {"view": "bank_transfer", "previousViews": ["method"], "fields": {}}

    before = traces()
    state = promise(form, made)
    assert (state["view"], state["previousViews"]) == ("review", ["bank_transfer", "method"])
    session = FormSession.objects.get()
    assert state["fields"] == {"session": session.code}
    review = state["review"]
    assert review["arrives"]["currency"] == "EUR"
    assert review["pays"] == {"amount": "10.00", "currency": "EUR"}
    cents = [round(float(review[name]["amount"]) * 100) for name in ("arrives", "fee")]
    assert sum(cents) == 1000
    assert review["destination"] == mask(IBAN, network="sepa")
    assert (review["network"], review["holder"]) == ("sepa", "A… L…")
    after = traces()
    assert (after["balances"], after["payouts_payout"]) == (before["balances"], 0)

    answer = form.step(made["id"], "review", session=session.code)

    told = answer.json()
    payout = Payout.objects.get()
    assert told["status"] == "pending"
    assert told["state"]["view"] == "result"
    assert told["state"]["trackingUrl"].startswith("http://127.0.0.1:8000/t/")
    assert payout.destination == IBAN
    finish()
    assert form.step(made["id"]).json()["status"] == "succeeded"


@pytest.mark.parametrize(
    ("currency", "amount", "view", "answers", "arrives"),
    [
        ("XAF", "10000", "mobile_money", MOMO, "currency"),
        ("EUR", "100.00", "stablecoin", WALLET, "asset"),
        ("USD", "100.00", "stablecoin", WALLET, "asset"),
    ],
)
def test_every_method_is_filled_in_by_api(
    shop, form, currency, amount, view, answers, arrives, finish
):
    set_rates(USD=1_000_000)
    made = shop.make(currency=currency, amount=amount)

    state = promise(form, made, view, **answers)
    assert arrives in state["review"]["arrives"]
    assert ("rate" in state["review"]) is (view == "stablecoin")
    answer = form.step(made["id"], "review", **state["fields"])
    assert answer.status_code == 200, answer.content
    finish()

    assert shop.get(f"/api/payments/{made['id']}").json()["status"] == "succeeded"


def test_who_agrees_twice_is_shown_what_the_first_time_has_led_to(shop, form):
    made = shop.make()
    state = promise(form, made)
    first = form.step(made["id"], "review", **state["fields"])
    before = traces()

    again = [form.step(made["id"], "review", **state["fields"]) for _ in range(3)]

    assert [answer.status_code for answer in again] == [200] * 3
    assert [answer.json() for answer in again] == [first.json()] * 3
    assert traces() == before


def test_of_two_reviews_one_wins_and_the_other_is_told(shop, form):
    made = shop.make()
    bank, wallet = promise(form, made), promise(form, made, "stablecoin", **WALLET)
    form.step(made["id"], "review", **wallet["fields"])
    before = traces()

    answer = form.step(made["id"], "review", **bank["fields"])

    assert_is_problem(answer, 409, "payment_not_open")
    assert traces() == before
    assert Payout.objects.get().to_network == "tron"


def test_a_session_of_another_payment_pays_nothing_here(shop, form):
    one, two = shop.make(), shop.make()
    state = promise(form, one)
    before = traces()

    answer = form.step(two["id"], "review", **state["fields"])

    problem = assert_is_problem(answer, 400, "invalid_input")
    assert problem["errors"][0]["pointer"] == "/fields/session"
    assert traces() == before


def test_an_expired_price_is_promised_anew_and_pays_nothing(shop, form, settings):
    made = shop.make()
    settings.HELD_QUOTE_TTL_SECONDS = 0.001
    state = promise(form, made)
    settings.HELD_QUOTE_TTL_SECONDS = 600
    before = traces()

    answer = form.step(made["id"], "review", **state["fields"])

    assert_is_problem(answer, 410, "quote_expired")
    assert traces() == before
    anew = promise(form, made)
    assert form.step(made["id"], "review", **anew["fields"]).status_code == 200


def test_a_payment_that_is_over_takes_no_answers(shop, form):
    made = shop.make()
    state = promise(form, made)
    expire_now(Payment.objects.get().pk)
    before = traces()

    for view, answers in (
        ("method", {"method": "bank_transfer"}),
        ("bank_transfer", BANK),
        # Nobody is asked to mend what nobody may send any more.
        ("bank_transfer", {}),
        ("review", state["fields"]),
    ):
        assert_is_problem(form.step(made["id"], view, **answers), 409, "payment_not_open")
    assert form.step(made["id"]).json()["state"]["view"] == "result"
    assert traces() == before


def test_while_payouts_are_frozen_the_form_stays_open(shop, form):
    made = shop.make()
    state = promise(form, made)
    Freeze.objects.create(reason="a test")
    before = traces()

    answer = form.step(made["id"], "review", **state["fields"])

    assert_is_problem(answer, 503, "payouts_frozen")
    assert traces() == before
    Freeze.objects.all().delete()
    assert form.step(made["id"], "review", **state["fields"]).status_code == 200


def test_a_failure_that_can_be_mended_opens_the_form_again_and_says_why(shop, form, finish):
    made = shop.make(currency="XAF", amount="10000")
    state = promise(form, made, "mobile_money", country="CM", number="+237670006089")
    form.step(made["id"], "review", **state["fields"])
    finish()

    told = form.step(made["id"]).json()

    assert told["status"] == "pending"
    assert told["state"]["view"] == "method"
    masked = mask("+237670006089", network="mtn_momo")
    assert told["state"]["lastTry"]["destination"] == f"{masked} (MTN Mobile Money)"
    assert told["state"]["lastTry"]["message"]
    again = promise(form, made, "mobile_money", **MOMO)
    assert form.step(made["id"], "review", **again["fields"]).status_code == 200


# --- Answers that will not do ----------------------------------------------------

WRONG = {
    "a digit of the IBAN": (
        "bank_transfer", BANK | {"iban": "DE88 3704 0044 0532 0130 00"}, ["/fields/iban"],
    ),
    "no answers": ("bank_transfer", {}, ["/fields/holder", "/fields/iban"]),
    "an IBAN turned around": ("bank_transfer", BANK | {"iban": "\u202e"}, ["/fields/iban"]),
    "a name of marks": ("bank_transfer", BANK | {"holder": "\u200b"}, ["/fields/holder"]),
    "an address of another network": (
        "stablecoin", WALLET | {"network": "ethereum"}, ["/fields/address"],
    ),
    "an address with a wrong letter": (
        "stablecoin", WALLET | {"address": WALLET["address"][:-1] + "9"}, ["/fields/address"],
    ),
    "a network nobody has": ("stablecoin", WALLET | {"network": "moon"}, ["/fields/address"]),
    "a method for another currency": ("mobile_money", MOMO, ["/view"]),
    "a view nobody has": ("cash", {}, ["/view"]),
    "a view that asks nothing": ("result", {}, ["/view"]),
    "a method nobody has": ("method", {"method": "cash"}, ["/fields/method"]),
    "no method": ("method", {}, ["/fields/method"]),
}  # fmt: skip


@pytest.mark.parametrize(("view", "answers", "pointers"), WRONG.values(), ids=WRONG)
def test_a_wrong_answer_is_named_with_a_sentence(shop, form, view, answers, pointers):
    made = shop.make()
    before = traces()

    answer = form.step(made["id"], view, **answers)

    problem = assert_is_problem(answer, 422, "details_invalid")
    assert [error["pointer"] for error in problem["errors"]] == pointers
    assert all(error["message"] for error in problem["errors"])
    assert traces() == before


SHAPES = [
    ({"view": 1}, "/view"),
    ({"view": None}, "/view"),
    ({"view": ""}, "/view"),
    ({"view": "x" * 41}, "/view"),
    ({"view": "method", "fields": []}, "/fields"),
    ({"view": "method", "fields": None}, "/fields"),
    ({"view": "method", "fields": {"method": 1}}, "/fields"),
    ({"view": "method", "fields": {"method": None}}, "/fields"),
    ({"view": "method", "fields": {"method": {"a": "b"}}}, "/fields"),
    ({"view": "method", "fields": {str(n): "x" for n in range(21)}}, "/fields"),
    ({"view": "method", "fields": {"methods": "bank_transfer"}}, "/fields/methods"),
    ({"view": "bank_transfer", "fields": BANK | {"country": "DE"}}, "/fields/country"),
    ({"view": "review", "fields": {"code": "x"}}, "/fields/code"),
    ({"view": "review", "fields": {"session": ""}}, "/fields/session"),
    ({"view": "review", "fields": {"session": "0" * 26}}, "/fields/session"),
    ({"view": "review", "fields": {"session": "x" * 5000}}, "/fields/session"),
    ({"state": {}}, "/state"),
    ({"fields_": {}}, "/fields_"),
]


@pytest.mark.parametrize(("body", "pointer"), SHAPES)
def test_a_state_of_another_shape_is_refused(shop, form, body, pointer):
    made = shop.make()
    before = traces()

    problem = assert_is_problem(
        form.post(f"/api/payments/{made['id']}", body), 400, "invalid_input"
    )

    assert problem["errors"][0]["pointer"] == pointer
    assert traces() == before


def test_an_amount_below_the_fee_is_told_beside_the_method(shop, form):
    made = shop.make(amount="0.01")

    problem = assert_is_problem(
        form.step(made["id"], "stablecoin", **WALLET), 422, "details_invalid"
    )

    assert problem["errors"][0]["pointer"] == "/fields/method"


def test_prices_are_promised_so_often_and_no_more(shop, form):
    made = shop.make()
    codes = [form.step(made["id"], "bank_transfer", **BANK).status_code for _ in range(13)]

    assert codes == [200] * 12 + [429]
    assert FormSession.objects.count() == 12
    assert promise(form, shop.make())["view"] == "review"
