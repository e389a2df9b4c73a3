"""Every rail that makes a statement answers every question of the fence."""

import inspect

import pytest
from django.conf import settings

from engine.rails.statements import Statement, statement_of

QUESTIONS = [name for name in vars(Statement) if not name.startswith("_")]


@pytest.mark.parametrize("rail", sorted(settings.PAYOUT_RAILS))
def test_a_statement_answers_all_that_may_be_asked(rail):
    statement = statement_of(rail)
    if statement is None:
        return
    for name in QUESTIONS:
        asked = inspect.signature(getattr(Statement, name)).parameters
        answers = inspect.signature(getattr(type(statement), name)).parameters
        assert list(answers) == list(asked), name


def test_the_questions_are_known():
    assert sorted(QUESTIONS) == [
        "ahead_of_us", "delivered", "held", "recall", "recover", "terms_of",
    ]  # fmt: skip
