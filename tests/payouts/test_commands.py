"""Stopping and starting from the terminal."""

import pytest
from django.core.management import call_command

from engine.payouts.models import Freeze

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
