"""A seed says all: who is paid, what breaks, and when."""

import pytest

from zopay_site.chaos.options import FAULTS, MUTATIONS, parse
from zopay_site.chaos.plan import USERS, draw


def test_the_same_seed_draws_the_same_plan():
    assert draw(parse(["--seed", "7"])) == draw(parse(["--seed", "7"]))
    assert draw(parse(["--seed", "7"])) != draw(parse(["--seed", "8"]))


def test_every_payout_has_an_amount_and_a_destination_of_its_own():
    wishes = draw(parse(["--payouts", "2000"])).wishes

    assert len(wishes) == 2000
    assert len({wish.amount for wish in wishes}) == 2000
    assert len({wish.destination for wish in wishes}) == 2000


def test_payouts_go_over_both_networks_and_some_over_a_bridge():
    routes = {(USERS[wish.user], wish.network) for wish in draw(parse([])).wishes}

    assert routes == {
        ("ethereum", "ethereum"),
        ("ethereum", "polygon"),
        ("polygon", "polygon"),
    }


def test_workers_die_as_often_as_was_asked_and_everything_else_breaks_too():
    strikes = draw(parse(["--payouts", "300", "--kills", "50"])).strikes

    assert sum(strike.fault == "kill" for strike in strikes) == 50
    assert {strike.fault for strike in strikes} == FAULTS.keys() - {
        "drop-reply",
        "drop-request",
    }
    assert [strike.at for strike in strikes] == sorted(strike.at for strike in strikes)
    assert all(0 < strike.at < 600 for strike in strikes)


def test_only_the_faults_that_were_asked_for_strike():
    strikes = draw(parse(["--faults", "reorg,drop-reply"])).strikes

    assert {strike.fault for strike in strikes} == {"reorg"}


def test_other_faults_do_not_change_who_is_paid():
    assert draw(parse(["--faults", "none"])).wishes == draw(parse([])).wishes


@pytest.mark.parametrize(
    "arguments",
    [
        ["--faults", "earthquake"],
        ["--faults", ""],
        ["--payouts", "0"],
        ["--payouts", "many"],
        ["--kills", "-1"],
        ["--patience", "0"],
        ["--mutation", "none"],
        ["--what"],
    ],
)
def test_wrong_usage_ends_with_2_before_anything_starts(arguments, capsys):
    with pytest.raises(SystemExit) as end:
        parse(arguments)

    assert end.value.code == 2
    assert "usage: bin/chaos" in capsys.readouterr().err


def test_the_help_names_every_fault_and_every_wrong_way(capsys):
    with pytest.raises(SystemExit):
        parse(["--help"])

    words = capsys.readouterr().out
    assert [name for name in (*FAULTS, *MUTATIONS) if name not in words] == []
