"""Who would receive it: predicted from the number, and asked where somebody can be."""

import pytest

from engine.rails.models import OperatorHealth

PATH = "/recipients/lookup"


def test_the_operator_is_predicted_and_nothing_is_made_up(merchant):
    answer = merchant.get(PATH, msisdn="+237670006789", gateway="MTN_MOMO")

    assert answer.status_code == 200
    assert answer.json() == {
        "msisdn": "+237670006789",
        "gateway": "MTN_MOMO",
        "country": "CM",
        "currency": "XAF",
        "operator": "mtn",
        "predictedGateway": "MTN_MOMO",
        "active": None,
        "name": None,
        "operatorStatus": "UP",
    }


def test_a_number_of_the_other_operator_is_told(merchant):
    told = merchant.get(PATH, msisdn="+237690000000", gateway="MTN_MOMO").json()

    assert (told["operator"], told["predictedGateway"]) == ("orange", "ORANGE_MONEY")


def test_an_operator_that_is_down_is_told(merchant):
    from django.utils import timezone

    OperatorHealth.objects.create(
        network="mtn_momo", country="CM", down_at=timezone.now(), try_at=timezone.now()
    )
    told = merchant.get(PATH, msisdn="+237670006789", gateway="MTN_MOMO").json()

    assert told["operatorStatus"] == "DOWN"


@pytest.mark.parametrize(
    "query",
    [
        {"msisdn": "237670006789"},
        {"msisdn": "+14155550100"},
        {"msisdn": "+999"},
        {"msisdn": ""},
        {"gateway": "WAVE"},
        {"extra": "1"},
    ],
)
def test_what_cannot_be_looked_up_is_refused(merchant, query):
    good = {"msisdn": "+237670006789", "gateway": "MTN_MOMO"}

    assert merchant.get(PATH, **good | query).status_code == 400
