"""The samples of docs/disbursements.md do what the page says."""

import json
import re
import sys
from pathlib import Path

import pytest

from engine.payouts.models import Payout
from tests.disbursements.merchant import NUMBER
from tests.disbursements.test_signing import SECRET, VECTORS
from tests.samples import run_sample

PAGE = (Path(__file__).parents[2] / "docs" / "disbursements.md").read_text()
PARTS = ("method", "path", "query", "body", "timestamp", "nonce", "origin")
RUNS = {
    "python": ([sys.executable, "-c"], "{sample}\nprint(sign({arguments}))"),
    "javascript": (["node", "-e"], "{sample}\nconsole.log(sign({arguments}));"),
    "php": (["php", "-r"], "{sample}\necho sign({arguments});"),
}


def sample(language):
    (found,) = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    return found


def run(language, text, **environment):
    command, _ = RUNS[language]
    return run_sample(command, text, **environment)


@pytest.mark.parametrize("language", RUNS)
@pytest.mark.parametrize(("parts", "signature"), VECTORS)
def test_a_sample_signs_the_vectors(language, parts, signature):
    texts = [SECRET, *(parts[name] for name in PARTS)]
    plain = [text.decode() if isinstance(text, bytes) else text for text in texts]
    quote = "'{}'".format if language == "php" else json.dumps
    program = RUNS[language][1].replace("{sample}", sample(language))

    told = run(language, program.replace("{arguments}", ", ".join(map(quote, plain))))

    assert told == signature


PAYS = {
    "python": f'{{sample}}\nprint(json.dumps(pay("{NUMBER}", "5000", "k-1")))',
    "javascript": f'{{sample}}\npay("{NUMBER}", "5000", "k-1").then('
    "(told) => console.log(JSON.stringify(told)));",
    "php": f"{{sample}}\necho json_encode(pay('{NUMBER}', '5000', 'k-1'));",
}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("language", PAYS)
def test_a_sample_pays(language, merchant, live_server, finish):
    told = json.loads(
        run(
            language,
            PAYS[language].replace("{sample}", sample(language)),
            ZO_URL=live_server.url,
            ZO_KEY=merchant.key,
            ZO_SECRET=merchant.secret,
            ZO_ORIGIN=merchant.origin,
            NO_PROXY="*",
        )
    )
    assert told["status"] == "PENDING"
    finish()

    assert merchant.get(f"/{told['payout_id']}").json()["payout"]["status"] == "SUCCESS"
    assert Payout.objects.count() == 1


def test_the_page_names_every_code_that_this_door_has():
    from disbursements import errors
    from engine.common.errors import RequestRefused

    ours = {
        one.code.upper()
        for one in vars(errors).values()
        if isinstance(one, type)
        and issubclass(one, RequestRefused)
        and one.__module__ == errors.__name__
    }
    assert ours
    assert ours <= set(re.findall(r"`([A-Z_]+)`", PAGE))
