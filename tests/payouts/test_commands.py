"""Stopping and starting from the terminal."""

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command

from engine.payouts.models import BlockedDestination, Freeze
from tests.cast import EVM

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("network", ["", "tron"])
def test_freeze_stands_until_unfreeze(capsys, network):
    call_command("freeze", reason="tested", network=network)
    call_command("freeze", reason="again", network=network)
    assert Freeze.objects.filter(network=network, lifted_at=None).count() == 1

    call_command("unfreeze", network=network)
    assert Freeze.objects.filter(lifted_at=None).exists() is False

    call_command("unfreeze", network=network)
    said = capsys.readouterr().out
    assert "was frozen already" in said
    assert "No freeze on" in said


@pytest.mark.parametrize("command", ["freeze", "unfreeze"])
def test_a_network_that_does_not_exist_cannot_be_frozen(command):
    """Whoever mistypes a name at three in the morning must not believe payouts stopped."""
    options = {"network": "etherum"} | ({"reason": "tested"} if command == "freeze" else {})

    with pytest.raises(CommandError, match="The networks are"):
        call_command(command, **options)

    assert Freeze.objects.exists() is False


def test_a_network_is_frozen_whatever_the_case_it_is_typed_in():
    call_command("freeze", reason="tested", network="Tron")

    assert Freeze.objects.get().network == "tron"


@pytest.mark.parametrize("text", [EVM.lower(), f"0x{EVM[2:].upper()}", f" {EVM}\n"])
def test_a_destination_is_blocked_however_it_is_spelled(text):
    BlockedDestination.objects.create(destination=text, reason="tested")

    assert BlockedDestination.objects.get().destination == EVM


def test_a_mistyped_destination_is_told_to_whoever_blocks_it():
    blocked = BlockedDestination(destination=f"{EVM[:-1]}D", reason="tested")

    with pytest.raises(ValidationError, match="checksum"):
        blocked.full_clean()


def test_what_is_no_address_may_be_blocked_as_it_is_written():
    BlockedDestination(destination="+250788123456", reason="tested").full_clean()
