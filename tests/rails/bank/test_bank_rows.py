"""What is promised to whom, and kept: names, numbers, rows, and what PostgreSQL refuses."""

from uuid import UUID

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from engine.rails.bank.ibans import is_bic, read_iban
from engine.rails.bank.payees import name_payee, names_of, payable_name
from engine.rails.bank.references import new_message_id, reference_of
from engine.rails.base import Outcome, Prepared
from engine.rails.errors import DestinationInvalid, RailRejected, RailUnavailable
from engine.rails.models import (
    BankAccount,
    BankFile,
    BankPayee,
    BankStatement,
    BankTransfer,
)
from tests.rails.bank.bank import entry, read, statement
from tests.rails.bank.play import AS_PRINTED, NAME, OURS, PAYEE, connect, row

pytestmark = pytest.mark.django_db

# Names.


@pytest.mark.parametrize(
    ("name", "printed"),
    [
        (NAME, AS_PRINTED),
        ("  Ada   Lovelace ", "Ada Lovelace"),
        ("O’Neill, J. (Jr.)", "O'Neill, J. (Jr.)"),
        ("Łukasz Ørsted", "Lukasz Orsted"),
        ("Иван Петров", "Ivan Petrov"),
        ("<b>Ada</b>; DROP", "b Ada /b DROP"),
        ("//Ada//", "Ada"),
        ("A" * 100, "A" * 70),
    ],
)
def test_a_name_is_told_in_the_letters_that_banks_take(name, printed):
    assert payable_name(name) == printed


@pytest.mark.parametrize("name", ["", " ", "🙂", "12345", "///", "\x00"])
def test_a_name_without_a_letter_is_none(name):
    with pytest.raises(DestinationInvalid) as refusal:
        payable_name(name)
    assert refusal.value.reason == "name_invalid"


def test_a_payout_is_to_one_person(fixed_payout_id):
    name_payee(fixed_payout_id, "Ada Lovelace")
    name_payee(fixed_payout_id, "Ada Lovelace")

    with pytest.raises(ValueError, match="somebody else"):
        name_payee(fixed_payout_id, "Mallory")

    assert names_of([fixed_payout_id]) == {fixed_payout_id: "Ada Lovelace"}
    assert BankPayee.objects.count() == 1


def test_a_sealed_name_opens_for_no_other_payout(fixed_payout_id):
    name_payee(fixed_payout_id, "Mallory")
    other = UUID(int=7)
    sealed = bytes(BankPayee.objects.get().name_sealed)
    BankPayee.objects.create(payout_id=other, name_sealed=sealed)

    assert names_of([fixed_payout_id, other]) == {fixed_payout_id: "Mallory"}
    assert b"Mallory" not in sealed


# Numbers.


@pytest.mark.parametrize(
    "text",
    [
        "DE89370400440532013000",
        "de89 3704 0044 0532 0130 00",
        "DE89-3704-0044-0532-0130-00",
        "DE89\u00a03704 0044 0532 0130 00",
    ],
)
def test_an_iban_is_read_however_it_is_written(text):
    iban = read_iban(text)

    assert (iban.text, iban.country, iban.bic) == (OURS, "DE", "COBADEFF" + "X" * 3)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("DE88370400440532013000", "checksum_mismatch"),
        ("DE8937040044053201300", "length_wrong"),
        ("XX89370400440532013000", "country_unknown"),
        ("", "not_an_iban"),
        ("DE89370400440532013000'", "not_an_iban"),
        ("ＤＥ89370400440532013000", "not_an_iban"),
        ("DE89٣704004405320130000", "not_an_iban"),
        ("DE89370400440532013000" * 100, "length_wrong"),
        ("TR330006100519786457841326", "not_in_sepa"),
        ("straße", "not_an_iban"),
    ],
)
def test_what_cannot_be_paid_says_why(text, reason):
    with pytest.raises(DestinationInvalid) as refusal:
        read_iban(text)
    assert refusal.value.reason == reason


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("COBADEFF123", True),
        ("COBADEFF", True),
        ("cobadeff", False),
        ("COBADEF", False),
        ("", False),
    ],
)
def test_a_bic_is_one_or_none(text, is_one):
    assert is_bic(text) is is_one


def test_names_of_transfers_and_files_fit_where_banks_carry_them(order, fixed_payout_id):
    one = reference_of(order(payout_id=fixed_payout_id))

    assert one == reference_of(order(payout_id=fixed_payout_id, name="", units=1))
    assert len({one, reference_of(order(leg=2)), new_message_id(), new_message_id()}) == 4
    assert len(one) == 28
    assert one.isascii()
    assert one.isalnum()
    assert one.isupper()


# Orders.


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"network": "moon"}, "asset_not_on_network"),
        ({"asset": "USDT"}, "asset_not_on_network"),
        ({"asset": "XAF"}, "asset_not_on_network"),
        ({"destination": "DE88370400440532013000"}, "iban_invalid"),
        ({"destination": "TR330006100519786457841326"}, "iban_not_paid"),
        ({"units": 100_000_000_000}, "amount_not_allowed"),
        ({"units": 0}, "amount_not_allowed"),
        ({"name": ""}, "payee_name_missing"),
    ],
)
@pytest.mark.parametrize("verb", ["prepare", "preflight"])
def test_what_can_never_be_paid_is_rejected_in_its_place(
    rail, account, order, verb, change, code
):
    good, bad = getattr(rail, verb)([order(), order(**change)])

    assert not isinstance(good, RailRejected | RailUnavailable)
    assert isinstance(bad, RailRejected)
    assert bad.failure_code == code


@pytest.mark.parametrize(
    "change", [{"livemode": False}, {"is_enabled": False}], ids=["another mode", "switched off"]
)
def test_without_an_account_it_waits(rail, order, change):
    connect(**change)

    (answer,) = rail.prepare([order()])

    assert isinstance(answer, RailUnavailable)
    assert answer.waiting_for == "account"
    assert BankTransfer.objects.count() == 0


def test_preparing_again_gives_the_same_and_keeps_one_row(rail, account, order):
    orders = [order() for _ in range(3)]

    assert rail.prepare(orders) == rail.prepare(orders)
    assert BankTransfer.objects.count() == 3


def test_another_signing_key_makes_no_second_transfer(rail, account, order, settings):
    one = order()
    (before,) = rail.prepare([one])
    settings.SIGNING_KEYS = [
        "another-signing-key-0123456789abcdef0123456789",
        *settings.SIGNING_KEYS,
    ]

    (after,) = rail.prepare([one])

    assert after == before
    assert BankTransfer.objects.count() == 1


def test_an_attempt_stands_for_one_promise_alone(rail, account, order, fixed_payout_id):
    rail.prepare([order(payout_id=fixed_payout_id)])

    with pytest.raises(ValueError, match="promised otherwise"):
        rail.prepare([order(payout_id=fixed_payout_id, name="", units=1235)])


def test_a_transfer_that_we_have_no_row_of_is_for_a_person(rail, account):
    (sighting,) = rail.look_up([Prepared("bank", "sepa", "ZP" + "A" * 26, b"")])

    assert (sighting.outcome, sighting.needs_person) == (Outcome.UNKNOWN, True)


@pytest.mark.django_db(transaction=True)
def test_a_transfer_is_only_ever_kept_with_its_attempt(rail, account, order):
    with pytest.raises(RuntimeError, match="stores its attempt"):
        rail.prepare([order()])


# What PostgreSQL refuses.


def act_and_check(act):
    """Does it, and has what is checked at the commit checked at once."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    act()


def refused(act, match="for ever"):
    before = list(BankTransfer.objects.order_by("id").values())
    with pytest.raises(IntegrityError, match=match), transaction.atomic():
        act_and_check(act)
    assert list(BankTransfer.objects.order_by("id").values()) == before


@pytest.mark.parametrize(
    "change",
    [
        {"units": 1},
        {"iban": OURS},
        {"end_to_end_id": "ZP" + "A" * 26},
        {"payout_id": UUID(int=1)},
        {"remittance": "x"},
        {"released_at": None},
        {"file": None},
    ],
)
def test_what_was_promised_never_changes(account, send, change):
    send()

    refused(lambda: BankTransfer.objects.update(**change))


def test_a_transfer_is_in_one_file_for_ever(account, send):
    (first,), (second,) = send(), send()

    refused(lambda: BankTransfer.objects.filter(pk=row(first).pk).update(file=row(second).file))


def test_nothing_is_added_to_a_file_that_was_made(account, send, prepare):
    (sent,) = send()
    late = prepare()

    refused(
        lambda: BankTransfer.objects.filter(pk=row(late).pk).update(
            file=row(sent).file, released_at=timezone.now()
        ),
        "says 1 transfers",
    )


def test_what_was_not_let_out_or_is_recalled_is_put_into_no_file(account, send, prepare):
    (sent,) = send()
    late = prepare()

    refused(
        lambda: BankTransfer.objects.filter(pk=row(late).pk).update(file=row(sent).file),
        "bank_file_holds_what_was_let_out",
    )
    refused(
        lambda: BankTransfer.objects.filter(pk=row(sent).pk).update(is_recalled=True),
        "bank_file_holds_what_was_let_out",
    )


@pytest.mark.parametrize("change", [{"transfers": 2}, {"units": 1235}])
def test_a_file_is_what_it_says(account, send, change):
    (sent,) = send()
    terms = BankFile.objects.filter(pk=row(sent).file.pk).values().get()
    del terms["id"]

    refused(
        lambda: BankFile.objects.create(**terms | change | {"message_id": new_message_id()}),
        "holds 0 of 0",
    )


@pytest.mark.parametrize(
    "change",
    [
        {"content_sealed": b"x"},
        {"digest": b"x"},
        {"units": 1},
        {"message_id": "ZP" + "A" * 26},
        {"handed_at": None, "handed_by": ""},
        {"handed_by": "mallory"},
        {"placed_in": UUID(int=1)},
    ],
)
def test_a_file_never_changes(account, send, change):
    send()

    refused(lambda: BankFile.objects.update(**change))


@pytest.mark.parametrize(
    "change", [{"finished_at": None}, {"failure_code": "iban_invalid"}, {"seen_at": None}]
)
def test_what_has_ended_and_was_told_never_changes(rail, account, send, change):
    (sent,) = send()
    read(statement(entry(row(sent))))
    rail.look_up([sent])

    refused(lambda: BankTransfer.objects.update(**change))


@pytest.mark.parametrize("change", [{"iban": PAYEE}, {"livemode": False}, {"name": "other"}])
def test_an_account_stays_what_it_is(account, change):
    with pytest.raises(IntegrityError, match="keeps its name"), transaction.atomic():
        BankAccount.objects.update(**change)


@pytest.mark.parametrize("model", [BankTransfer, BankFile, BankPayee, BankStatement])
def test_what_was_said_is_never_deleted(account, send, model):
    (sent,) = send()
    read(statement(entry(row(sent))))

    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {model._meta.db_table}")
    assert model.objects.count() == 1


def test_a_return_without_an_arrival_is_none(account, send):
    send()

    refused(
        lambda: BankTransfer.objects.update(returned_at=timezone.now()),
        "bank_return_follows_arrival",
    )
