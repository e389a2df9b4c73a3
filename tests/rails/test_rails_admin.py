"""Staff see what was sent and answered, never the signed bytes, and change nothing."""

import pytest
from django.contrib.auth.models import Permission, User
from django.urls import reverse

from engine.rails.attempts import note_evidence, open_attempts
from engine.rails.deposits import deposit_address_for
from engine.rails.models import (
    Attempt,
    DepositAddress,
    EvidenceKind,
    SendEvidence,
    SimulatedTransfer,
)
from engine.rails.simulated import SimulatedRail

pytestmark = pytest.mark.django_db


@pytest.fixture
def rows(order, partner):
    sent = order(destination="0xSECRETPAYLOAD")
    (prepared,) = SimulatedRail().prepare([sent])
    SimulatedRail().submit([prepared])
    (key,) = open_attempts(sends=[(sent, prepared)]).values()
    note_evidence(kind=EvidenceKind.SUBMIT, bodies={key: {"said": "taken today"}})
    address = deposit_address_for(
        partner_id=partner.pk,
        livemode=False,
        end_user_id=None,
        asset="USDT",
        network="tron",
    )
    return {
        Attempt: key,
        DepositAddress: address.pk,
        SimulatedTransfer: prepared.reference,
    }


@pytest.fixture
def staff(client):
    user = User.objects.create_user("ada", password="x", is_staff=True)
    user.user_permissions.set(
        Permission.objects.filter(
            codename__in=[
                f"view_{model._meta.model_name}"
                for model in (Attempt, DepositAddress, SimulatedTransfer, SendEvidence)
            ]
        )
    )
    client.force_login(user)
    return client


def page(model, name, *args):
    return reverse(f"admin:{model._meta.db_table}_{name}", args=args)


@pytest.mark.parametrize("model", [Attempt, DepositAddress, SimulatedTransfer])
def test_staff_can_look(staff, rows, model):
    assert staff.get(page(model, "changelist")).status_code == 200
    assert staff.get(page(model, "change", rows[model])).status_code == 200


def test_an_attempt_shows_its_evidence_and_never_its_payload(staff, rows):
    shown = staff.get(page(Attempt, "change", rows[Attempt])).content.decode()

    assert "taken today" in shown
    assert "SECRETPAYLOAD" not in shown
    assert "payload" not in shown.lower()


@pytest.mark.parametrize("model", [Attempt, SimulatedTransfer])
def test_what_was_sent_is_found_by_its_payout_and_names_it(staff, rows, model):
    payout = "pay_" + str(Attempt.objects.get().payout_id).replace("-", "")
    row = page(model, "change", rows[model])

    assert row in staff.get(page(model, "changelist"), {"q": payout}).content.decode()
    other = payout[:-4] + ("0000" if payout[-4:] != "0000" else "1111")
    assert row not in staff.get(page(model, "changelist"), {"q": other}).content.decode()
    assert payout in staff.get(row).content.decode()


@pytest.mark.parametrize("model", [Attempt, DepositAddress, SimulatedTransfer])
def test_nobody_changes_anything_not_even_a_superuser(admin_client, rows, model):
    before = list(model.objects.values())

    for name, args in (("add", ()), ("change", (rows[model],)), ("delete", (rows[model],))):
        assert admin_client.post(page(model, name, *args), {}).status_code == 403

    assert list(model.objects.values()) == before
