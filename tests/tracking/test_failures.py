"""What a recipient reads when her payout fails, and where she may put it right."""

import re

import pytest

from engine.payouts.failures import failure_of
from engine.rails.bank.failures import CATALOGUE as BY_BANKS
from engine.rails.momo.failures import CATALOGUE
from tests.tracking.carried_words import lines, sentence, words
from tests.tracking.float_story import STATES

ADVICE = {
    "payee_not_found": "Ask Acme to check the details and send it again.",
    "payee_number_invalid": "Ask Acme to check the details and send it again.",
    "payee_cannot_receive": "Ask Acme to pay you in another way.",
    "payee_limit_reached": "Ask Acme to send it again.",
    "payee_rejected": "Ask Acme to send it again.",
    "float_too_small": "Ask Acme to send it again.",
    "float_limit_reached": "Ask Acme to send it again.",
    "operator_refused": "Ask Acme to pay you in another way.",
    "operator_unavailable": "Ask Acme to send it again.",
    "operator_timed_out": "Ask Acme to send it again.",
    "provider_failed": "Ask Acme to pay you in another way.",
}


@pytest.mark.parametrize("code", CATALOGUE)
def test_a_failure_says_why_in_her_words_and_what_to_do(begin_at, look, code):
    story = begin_at("mtn_momo").send().fail(code)
    page = look(story)
    told = words(re.search(r'<p id="eta">(.*?)</p>', page)[1])
    in_french = words(re.search(r'<p id="eta">(.*?)</p>', look(story, "fr"))[1])

    assert told == f"{CATALOGUE[code].recipient} {ADVICE[code]}"
    assert code not in page
    assert CATALOGUE[code].partner not in words(page)
    assert CATALOGUE[code].recipient not in in_french
    assert "Demandez à Acme de" in in_french
    assert "The funds are back" not in page


def test_what_she_can_mend_is_kept_and_has_a_button(begin_at, look, client, mended):
    story = begin_at("mtn_momo").send().fail("payee_not_found")
    mended(story)

    for page in (look(story), client.get(f"{story.url}/now").content.decode()):
        assert sentence(page) == "Not delivered. Nothing was lost: the money is kept for you."
        assert words(re.search(r'<p id="eta">(.*?)</p>', page)[1]) == (
            "This number has no mobile-money account. Open one, or give another number."
        )
        assert re.search(
            r'<a class="button" href="https://pay.example.com/checkin/pay_x" target="_top">'
            "Correct the details</a>",
            page,
        )
        assert lines(page)[-1] == "Failed; the money is kept for you"
        assert 'data-poll="30000"' in page
    french = look(story, "fr")
    assert "Rien n’est perdu\u202f: l’argent vous est réservé." in sentence(french)
    assert "Corriger les coordonnées" in french


def test_once_it_is_mended_the_button_goes_and_the_poll_says_so(begin_at, client, mended):
    story = begin_at("mtn_momo").send().fail("payee_not_found")
    mended(story)
    before = client.get(f"{story.url}/now", {"lang": "en"})
    mended(story, url="")
    after = client.get(
        f"{story.url}/now", {"lang": "en"}, headers={"if-none-match": before["ETag"]}
    )

    assert after.status_code == 200
    assert 'class="button"' not in after.content.decode()
    assert 'data-poll="0"' in after.content.decode()


@pytest.mark.parametrize(
    ("code", "button"),
    [
        ("payee_number_invalid", ("Correct the details", "Corriger les coordonnées")),
        ("operator_unavailable", ("Try again", "Réessayer")),
        ("payee_limit_reached", ("Try again", "Réessayer")),
    ],
)
def test_the_button_blames_her_details_only_when_they_are_wrong(
    begin_at, look, mended, code, button
):
    story = begin_at("mtn_momo").send().fail(code)
    mended(story)

    assert f'target="_top">{button[0]}</a>' in look(story)
    assert f'target="_top">{button[1]}</a>' in look(story, "fr")


def test_what_went_on_elsewhere_is_not_said_to_have_gone_back(begin_at, look, mended):
    story = begin_at("mtn_momo").send().fail("payee_not_found")
    mended(story, url="")
    page = look(story)

    assert sentence(page) == (
        "Not delivered. Nothing was lost. What happened next is on the page where you gave "
        "your details."
    )
    assert lines(page)[-1] == "Failed"
    assert "went back" not in page.partition('<details id="more">')[0]
    assert "Ask Acme" not in page
    assert lines(look(story, "fr"))[-1] == "Échoué"


def test_what_nobody_can_mend_went_back_from_a_door_that_mends(begin_at, look, mended):
    story = begin_at("mtn_momo").send().fail("provider_failed")
    mended(story, url="")

    assert sentence(look(story)).endswith("the money went back to Acme.")


@pytest.mark.parametrize("code", BY_BANKS)
def test_what_banks_say_is_told_in_her_words(begin_at, look, mended, code):
    story = begin_at("sepa", door="payments").send().fail(code)
    is_mendable = failure_of(code).is_mendable
    mended(story, url="https://pay.example.com/checkin/pay_x" if is_mendable else "")
    page, french = look(story), look(story, "fr")
    advice = "" if is_mendable else " Ask Acme to pay you in another way."

    assert words(re.search(r'<p id="eta">(.*?)</p>', page)[1]) == (
        BY_BANKS[code].recipient + advice
    )
    assert BY_BANKS[code].recipient not in words(french)
    assert ('class="button"' in page) == is_mendable
    assert code not in page
    assert "The funds are back" not in page


@pytest.mark.parametrize("state", sorted(set(STATES) - {"failed"}))
def test_only_what_failed_can_be_mended(begin_at, look, mended, state):
    story = STATES[state](begin_at("mtn_momo"))
    mended(story)

    assert 'class="button"' not in look(story)
