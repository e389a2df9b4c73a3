"""`mint_api_key`: a key from the terminal."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from engine.partners.models import ALL_SCOPES, ApiKey, Partner


def mint(*words):
    out = StringIO()
    call_command("mint_api_key", *words, stdout=out)
    return out.getvalue()


def test_it_prints_the_key_alone(acme, ask):
    printed = mint("--partner", "Acme", "--mode", "test")

    assert printed.endswith("\n")
    caller = ask(f"Bearer {printed.strip()}")
    assert (caller.partner_id, caller.livemode, caller.scopes) == (
        acme.pk,
        False,
        frozenset(ALL_SCOPES),
    )


def test_it_prints_json_when_asked(acme, ask):
    told = json.loads(mint("--partner", str(acme.pk), "--mode", "live", "--json"))

    assert told == {
        "key": told["key"],
        "mode": "live",
        "partner": "Acme",
        "partner_id": str(acme.pk),
    }
    assert ask(told["key"]).livemode is True


@pytest.mark.parametrize("named", ["Nobody", "01890000-0000-7000-8000-000000000000"])
def test_an_unknown_partner_is_one_sentence(acme, named):
    with pytest.raises(CommandError, match=f"There is no partner .*{named}"):
        mint("--partner", named, "--mode", "test")

    assert not ApiKey.objects.exists()


def test_two_partners_of_one_name_need_an_id(acme, fee_schedule):
    Partner.objects.create(name="Acme", fee_schedule=fee_schedule)
    with pytest.raises(CommandError, match="give the id"):
        mint("--partner", "Acme", "--mode", "test")

    assert not ApiKey.objects.exists()
