"""What the tests of bank transfers share: an account, the files that left, and a bank."""

from dataclasses import replace

from django.conf import settings

from engine.common.ids import new_id
from engine.rails.bank.payees import name_payee
from engine.rails.base import Order
from engine.rails.models import BankAccount, BankTransfer

# Published examples: ours, and payees' in several countries.
OURS = "DE89370400440532013000"
BIC = "COBADEFF"
PAYEE = "FR1420041010050500013M02606"
PAYEE_2 = "NL91ABNA0417164300"
NAME = "Élodie Müller & Söhne"
AS_PRINTED = "Elodie Muller + Sohne"


def connect(**changes):
    """An account of ours, whose files go at once into its folder."""
    return BankAccount.objects.create(
        **{
            "name": "main",
            "holder": "Zopay SAS",
            "iban": OURS,
            "bic": BIC,
            "delivery": "folder",
            "batch_seconds": 0,
        }
        | changes
    )


def row(prepared):
    return BankTransfer.objects.select_related("file", "account").get(
        end_to_end_id=prepared.reference
    )


def out(account="main"):
    """What the program that empties the folder would find: names and bytes."""
    folder = settings.BANK_DIR / account / "out"
    if not folder.exists():
        return {}
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def named_order(*, name=NAME, **changes):
    """An order of 12.34 euros, each for a payout of its own to somebody named."""
    template = Order(
        payout_id=new_id(),
        leg=1,
        attempt=1,
        livemode=True,
        network="sepa",
        asset="EUR",
        units=1234,
        destination=PAYEE,
        asked_units=1234,
    )
    made = replace(template, **changes)
    if name:
        name_payee(made.payout_id, name)
    return made


def footprint():
    """Every transfer as it stands."""
    return list(BankTransfer.objects.order_by("id").values())
