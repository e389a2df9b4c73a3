"""From a signed request to an operator that behaves like MTN, over HTTP, and back."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from engine.payouts.models import Payout
from engine.rails.models import MomoSend, OperatorHealth
from engine.rails.momo.client import forget_tokens
from tests.cast import drain_once
from tests.disbursements.merchant import NUMBER
from tests.rails.momo.play import mtn_in_cameroon

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def mtn(settings):
    """MTN in Cameroon, which pays at once, and an account of ours there."""
    with mtn_in_cameroon(settings) as server:
        yield server


def finish():
    for _ in range(12):
        if not Payout.objects.filter(finished_at__isnull=True).exists():
            return
        MomoSend.objects.filter(finished_at__isnull=True).update(ask_at="2000-01-01T00:00:00Z")
        drain_once()
    pytest.fail("a payout did not end")


def test_a_disbursement_is_paid_by_the_reference_that_was_promised(merchant, left, mtn):
    payout = merchant.pay()
    finish()

    seen = merchant.get(f"/{payout['payout_id']}").json()["payout"]
    assert (seen["status"], Payout.objects.get().rail) == ("SUCCESS", "momo")
    assert str(MomoSend.objects.get().reference) == payout["gateway_reference"]
    assert left() == 94_975


@pytest.mark.parametrize(
    ("ending", "code"), [("6089", "PAYEE_NOT_FOUND"), ("6119", "OPERATOR_UNAVAILABLE")]
)
def test_what_the_operator_fails_gives_everything_back(merchant, left, mtn, ending, code):
    payout = merchant.pay(msisdn=f"+23767000{ending}")
    finish()

    seen = merchant.get(f"/{payout['payout_id']}").json()["payout"]
    assert (seen["status"], seen["error"]["code"]) == ("FAILED", code)
    assert left() == 100_000


def test_while_the_operator_is_down_a_payout_waits_and_then_goes_by_itself(merchant, mtn):
    later = timezone.now() + timedelta(hours=1)
    down = OperatorHealth.objects.create(
        network="mtn_momo", country="CM", down_at=timezone.now(), try_at=later
    )
    payout = merchant.pay()
    drain_once()
    waiting = merchant.get(f"/{payout['payout_id']}").json()["payout"]
    down.delete()
    finish()
    done = merchant.get(f"/{payout['payout_id']}").json()["payout"]

    assert (waiting["status"], waiting["error"]["code"]) == ("PENDING", "OPERATOR_DOWN")
    assert (done["status"], done["error"]) == ("SUCCESS", None)


def test_an_operator_that_goes_down_and_comes_back_pays_everybody_once(
    merchant, mtn, left, settings
):
    """By our own calls alone: nobody says that it is down, and nobody that it is up."""
    settings.RESUBMIT_SECONDS = 0
    mtn.state.behaviour.is_down = True
    first = [merchant.pay(amount="100", msisdn=f"+2376701{n:05}") for n in range(20)]
    drain_once()
    late = merchant.pay(amount="100")
    drain_once()

    told = merchant.get("/recipients/lookup", msisdn=NUMBER, gateway="MTN_MOMO").json()
    assert told["operatorStatus"] == "DOWN"
    waiting = merchant.get(f"/{late['payout_id']}").json()["payout"]
    assert (waiting["status"], waiting["error"]["code"]) == ("PENDING", "OPERATOR_DOWN")
    assert merchant.get("", status="FAILED").json()["total"] == 0
    assert mtn.state.ledger() == []

    mtn.state.behaviour.is_down = False
    # Who was given no token asks for none for a second.
    forget_tokens()
    for _ in range(12):
        # Half a minute passes, and another turn.
        OperatorHealth.objects.filter(down_at__isnull=False).update(
            try_at="2000-01-01T00:00:00Z"
        )
        MomoSend.objects.filter(finished_at__isnull=True).update(ask_at="2000-01-01T00:00:00Z")
        drain_once()

    assert OperatorHealth.objects.get().down_at is None
    assert merchant.get("", status="SUCCESS").json()["total"] == len(first) + 1
    assert set(mtn.state.posts.values()) == {1}
    assert len(mtn.state.ledger()) == len(first) + 1
    told = merchant.get("/recipients/lookup", msisdn=NUMBER, gateway="MTN_MOMO").json()
    assert told["operatorStatus"] == "UP"
    assert left() == 100_000 - 21 * 102


def test_a_callback_is_a_hint_and_a_forged_one_is_nothing(merchant, mtn, client):
    """Whatever it says: the operator is asked, and only the operator is believed."""
    mtn.state.behaviour.settle_seconds = 3600.0
    payout = merchant.pay()
    drain_once()
    MomoSend.objects.update(ask_at="2100-01-01T00:00:00Z")
    send = MomoSend.objects.get()
    path = f"/momo/callbacks/{send.account.callback_token}/{send.reference}"
    said = {"status": "SUCCESSFUL", "referenceId": str(send.reference)}

    for wrong in (
        path.replace(str(send.reference), str(uuid4())),
        path.replace(send.account.callback_token, "x"),
        path + "x",
    ):
        assert client.put(wrong, said, content_type="application/json").status_code == 204
    assert MomoSend.objects.get().ask_at.year == 2100
    assert client.put(path, said, content_type="application/json").status_code == 204
    assert MomoSend.objects.get().ask_at.year < 2100
    assert client.get(path).status_code == 405
    drain_once()

    seen = merchant.get(f"/{payout['payout_id']}").json()["payout"]
    assert seen["status"] == "PROCESSING"


def test_the_lookup_asks_the_operator(merchant, mtn):
    def ask(msisdn):
        return merchant.get("/recipients/lookup", msisdn=msisdn, gateway="MTN_MOMO").json()

    good, bad = ask("+237670006789"), ask("+237670006089")

    assert good["active"] is True
    assert good["name"].endswith("***")
    assert (bad["active"], bad["name"]) == (False, None)
