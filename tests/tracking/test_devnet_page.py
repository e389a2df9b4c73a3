"""Where an explorer would be, a page of ours says what a development chain knows.

The answers below are anvil's own, to a transfer of 1,245.875 USDT.
"""

import re
import subprocess
import sys

import pytest

from engine.rails.explorers import explorer_url
from engine.rails.models import Token
from tests.cast import EVM
from tests.rails.evm.nodes import Node

HASH = "0x3ba1508804d85358800e72f6ccdecb18fc2c72cfdc419e2420f0b5fddf004102"
TOKEN = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
WALLET = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
PATH = f"/devnet/ethereum/tx/{HASH}"
SENT = {
    "type": "0x2",
    "chainId": "0x1",
    "nonce": "0x0",
    "to": TOKEN.lower(),
    "value": "0x0",
    "hash": HASH,
    "blockNumber": "0x6",
    "from": WALLET.lower(),
}
LOG = {
    "address": TOKEN.lower(),
    "topics": [
        "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef",
        "0x00000000000000000000000070997970c51812dc3a010c7d01b50e0d17dc79c8",
        "0x0000000000000000000000005aaeb6053f3e94c9b9a09f33669435e7ef1beaed",
    ],
    "data": "0x000000000000000000000000000000000000000000000000000000004a428b38",
    "blockNumber": "0x6",
    "transactionHash": HASH,
}
RECEIPT = {
    "type": "0x2",
    "status": "0x1",
    "logs": [LOG],
    "transactionHash": HASH,
    "blockNumber": "0x6",
    "gasUsed": "0xe09d",
    "effectiveGasPrice": "0x5a5ffa03",
    "from": WALLET.lower(),
    "to": TOKEN.lower(),
}


@pytest.fixture
def node(settings, db):
    """A node that knows one transfer, at block 6 of 17, and a house that calls it its own."""
    with Node(blocks=17) as node:
        node.answers = {
            "eth_getTransactionByHash": lambda asked: SENT if asked == [HASH] else None,
            "eth_getTransactionReceipt": lambda asked: RECEIPT if asked == [HASH] else None,
        }
        settings.ZOPAY_DEMO = True
        settings.DEVNET_NETWORKS = ["ethereum"]
        settings.RPC_URLS = {"ethereum": (node.url,)}
        Token.objects.update_or_create(
            network="ethereum", asset="USDT", defaults={"address": TOKEN}
        )
        yield node


def facts(page):
    """What the page's list says, by its words."""
    html = page.content.decode()
    pairs = re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", html)
    return {name: re.sub(r"<[^>]+>", "", told) for name, told in pairs}


def test_a_transfer_is_told_as_an_explorer_would(client, node):
    page = client.get(PATH)

    assert page.status_code == 200
    assert facts(page) == {
        "State": "Done",
        "Block": "6",
        "Confirmations": "12",
        "Amount": "1,245.875 USDT",
        "From": WALLET,
        "To": EVM,
        "Token": TOKEN,
        # 57,501 gas at 1,516,239,363 wei.
        "Gas paid": "0.000087185279611863 ETH",
        "Hash": HASH,
    }
    assert "No real money moved" in page.content.decode()
    assert "&quot;gasUsed&quot;: &quot;0xe09d&quot;" in page.content.decode()
    assert (page["Cache-Control"], page["X-Robots-Tag"]) == (
        "private, no-store",
        "noindex, nofollow",
    )


def test_in_french_it_speaks_french(client, node):
    page = client.get(f"{PATH}?lang=fr")

    assert facts(page)["Montant"] == "1\xa0245,875 USDT"
    assert facts(page)["État"] == "Fait"


def test_it_asks_the_node_once_and_the_database_once(client, node, django_assert_num_queries):
    with django_assert_num_queries(1):
        client.get(PATH)

    assert node.batches == [3]


def test_what_waits_for_a_block_says_so(client, node):
    node.answers["eth_getTransactionReceipt"] = None
    page = client.get(PATH)

    assert page.status_code == 200
    assert facts(page)["State"] == "Waiting to be taken into a block"
    assert {"Block", "Confirmations", "Gas paid"} & set(facts(page)) == set()


def test_what_failed_says_so_and_what_it_cost(client, node):
    node.answers["eth_getTransactionReceipt"] = RECEIPT | {"status": "0x0", "logs": []}
    told = facts(client.get(PATH))

    assert (told["State"], told["Amount"]) == ("Failed", "0.00 ETH")
    assert told["Gas paid"] == "0.000087185279611863 ETH"


@pytest.mark.parametrize(
    "log",
    [
        LOG | {"topics": LOG["topics"][:2]},
        LOG | {"topics": ["0x" + "0" * 64, *LOG["topics"][1:]]},
        LOG | {"data": "0x"},
    ],
)
def test_another_log_is_no_transfer(client, node, log):
    node.answers["eth_getTransactionReceipt"] = RECEIPT | {"logs": [log]}

    assert facts(client.get(PATH))["Amount"] == "0.00 ETH"


def test_a_token_that_is_not_on_our_list_is_not_called_by_our_names(client, node):
    Token.objects.filter(network="ethereum").delete()
    told = facts(client.get(PATH))

    assert told["Amount"] == "1245875000 smallest units of an unknown token"


@pytest.mark.parametrize("name", ["0x" + "0" * 64, "0x0", HASH[:-1], "x" * 200, "%27", "é"])
def test_an_unknown_hash_gets_kind_words(client, node, name):
    page = client.get(f"/devnet/ethereum/tx/{name}")

    assert page.status_code == 404
    assert "This chain knows no such transaction" in page.content.decode()


@pytest.mark.parametrize("name", ["0x0", HASH + "00", "0x" + "g" * 64])
def test_the_node_is_not_asked_about_what_is_no_hash(client, node, name):
    client.get(f"/devnet/ethereum/tx/{name}")

    assert node.calls == []


@pytest.mark.parametrize("fault", [500, "drop request", "hang"])
def test_a_node_that_does_not_answer_is_said_and_leaks_nothing(
    client, node, fault, monkeypatch
):
    monkeypatch.setattr("engine.rails.evm_reader.SECONDS_MAX", 0.2)
    node.fault = fault
    page = client.get(PATH)

    assert page.status_code == 503
    assert "The development chain does not answer" in page.content.decode()
    assert str(node.port) not in page.content.decode()


def test_a_node_that_is_gone_is_said(client, node):
    node.close()

    assert client.get(PATH).status_code == 503


@pytest.mark.parametrize(
    "strange",
    [
        {"eth_getTransactionByHash": {"from": None}},
        {"eth_getTransactionByHash": {}},
        {"eth_blockNumber": "many"},
        {"eth_getTransactionReceipt": RECEIPT | {"gasUsed": None}},
        {"eth_getTransactionReceipt": []},
        {"eth_getTransactionReceipt": RECEIPT | {"logs": [{}]}},
    ],
)
def test_a_node_that_answers_nonsense_breaks_nothing(client, node, strange):
    node.answers |= strange

    assert client.get(PATH).status_code == 503


@pytest.mark.parametrize(
    ("demo", "devnets", "network"),
    [
        (False, ["ethereum"], "ethereum"),
        (True, [], "ethereum"),
        (True, ["ethereum", "polygon"], "polygon"),
        (True, ["ethereum"], "moon"),
    ],
)
def test_only_our_own_chains_have_a_page(client, node, settings, demo, devnets, network):
    settings.ZOPAY_DEMO, settings.DEVNET_NETWORKS = demo, devnets

    assert client.get(f"/devnet/{network}/tx/{HASH}").status_code == 404
    assert node.calls == []


# The first two are other spellings of this very machine, where the node would answer.
@pytest.mark.parametrize(
    "url",
    [
        "http://2130706433:{port}",
        "http://[::ffff:127.0.0.1]:{port}",
        "https://127.0.0.1:{port}",
        "http://127.0.0.1.example.com:{port}",
    ],
)
def test_nobody_but_this_machine_is_ever_asked(client, node, settings, url):
    settings.RPC_URLS = {"ethereum": (url.format(port=node.port),)}

    assert client.get(PATH).status_code == 503
    assert (node.calls, node.heard) == ([], [])


def test_it_is_for_looking_and_not_without_end(client, node, settings):
    assert client.post(PATH).status_code == 405
    settings.PAGE_RATE_LIMIT_PER_MINUTE = 0
    assert client.get(PATH).status_code == 429


def test_explorer_links_of_our_own_chains_lead_there(node, settings):
    settings.ZOPAY_PUBLIC_URL = "http://127.0.0.1:8000"

    def link(network, rail="evm", reference=HASH):
        return explorer_url(rail=rail, network=network, reference=reference)

    assert link("ethereum") == f"http://127.0.0.1:8000{PATH}"
    assert link("polygon") == f"https://polygonscan.com/tx/{HASH}"
    assert link("ethereum", "simulated") == f"http://127.0.0.1:8000/simulated/{HASH}"
    assert link("ethereum", reference="house:ab:1") == ""
    settings.ZOPAY_DEMO = False
    assert link("ethereum") == f"https://etherscan.io/tx/{HASH}"


def test_pages_never_load_web3():
    """It costs 56 MB in each web process, and only workers need it."""
    program = (
        "import django, sys; django.setup(); import zopay_site.wsgi, zopay_site.urls;"
        "print(sorted({'web3', 'eth_account'} & set(sys.modules)))"
    )
    end = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert end.stdout.strip().splitlines()[-1] == "[]"
