"""Furnishing a local chain: the same tokens each time, money once, strangers left alone."""

import json
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from zopay_site.embedded import chains, devnet, home
from zopay_site.embedded.contracts import artifact
from zopay_site.embedded.jsonrpc import Refused, ask
from zopay_site.embedded.say import Stop

WALLETS = [f"0x{number:040x}" for number in (0xA1, 0xA2)]
SOMEBODY = f"0x{0xB1:040x}"
# keccak256("Transfer(address,address,uint256)"), in every ERC-20.
TRANSFER = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    return home.make(tmp_path_factory.mktemp("chains") / "home")


@pytest.fixture(scope="module")
def running(house, program):
    node = chains.start(house, "ethereum", program, durable=False, block_seconds=None)
    yield node
    node.stop()


@pytest.fixture
def url(running):
    """A chain as empty as on its first day."""
    day = ask(running.url, "evm_snapshot")
    yield running.url
    ask(running.url, "evm_revert", day)


@pytest.fixture
def usdt(url):
    return devnet.furnish(url, "ethereum", wallets=WALLETS)["USDT"]


def owner(url):
    return ask(url, "eth_accounts")[0]


def do(url, token, line, *, sender=None):
    """One call of a contract, mined; Refused when it would revert, with the reason."""
    ask(url, "eth_call", {"from": sender or owner(url), "to": token, "data": line}, "latest")
    return devnet.mined(url, [devnet.send(url, sender or owner(url), to=token, code=line)])[0]


def hand_over(url, token, units, *, to=SOMEBODY, contract="token"):
    line = devnet.call("transfer(address,uint256)", to, units, contract=contract)
    return do(url, token, line)


def number(url):
    return int(ask(url, "eth_blockNumber"), 16)


def gas_of(url, wallet):
    return int(ask(url, "eth_getBalance", wallet, "latest"), 16)


def answer_of(url, token, signature):
    return ask(url, "eth_call", {"to": token, "data": devnet.call(signature)}, "latest")


def test_tokens_are_where_they_always_are_and_wallets_can_spend(url):
    tokens = devnet.furnish(url, "ethereum", wallets=WALLETS)

    assert tokens == dict(devnet.FIRST)
    for wallet in WALLETS:
        assert gas_of(url, wallet) == 10_000 * 10**18
        for token in tokens.values():
            assert devnet.balance(url, token, wallet) == 50_000_000 * 10**6


def test_a_token_says_its_name_and_has_six_decimals(url, usdt):
    assert answer_of(url, usdt, "name()")[2:] == devnet._texts("Tether USD").hex()
    assert answer_of(url, usdt, "symbol()")[2:] == devnet._texts("USDT").hex()
    assert int(answer_of(url, usdt, "decimals()"), 16) == 6
    assert int(answer_of(url, usdt, "totalSupply()"), 16) == 100_000_000 * 10**6


def test_again_changes_nothing(url):
    first = devnet.furnish(url, "ethereum", wallets=WALLETS)
    before = number(url)

    assert devnet.furnish(url, "ethereum", wallets=WALLETS) == first
    assert number(url) == before


def test_a_wallet_that_spent_more_than_half_is_filled_up(url):
    [*_, xaut] = devnet.furnish(url, "ethereum", wallets=WALLETS).values()
    ask(url, "anvil_impersonateAccount", WALLETS[0])
    line = devnet.call("transfer(address,uint256)", SOMEBODY, 30_000_000 * 10**6)
    do(url, xaut, line, sender=WALLETS[0])

    devnet.furnish(url, "ethereum", wallets=WALLETS)

    assert devnet.balance(url, xaut, WALLETS[0]) == 50_000_000 * 10**6
    assert devnet.balance(url, xaut, WALLETS[1]) == 50_000_000 * 10**6
    assert devnet.balance(url, xaut, SOMEBODY) == 30_000_000 * 10**6


def test_on_an_anvil_that_was_in_use_tokens_are_deployed_once_and_found_again(url):
    devnet.mined(url, [devnet.send(url, owner(url), to=SOMEBODY, value=1)])
    first = devnet.furnish(url, "ethereum", wallets=WALLETS)

    again = devnet.furnish(url, "ethereum", wallets=WALLETS, known=first)

    assert first["USDT"] == devnet.FIRST["XAUT"]  # the second thing that was deployed
    assert again == first
    # With the checksum of EIP-55.
    assert first["XAUT"] != first["XAUT"].lower()


# --- What is not ours is left alone ---------------------------------------------------


class Stranger(BaseHTTPRequestHandler):
    """A node of Ethereum that is no anvil, or an anvil that copies the real chain."""

    asked: list[str] = []
    fork_url = None

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append(body["method"])
        known = {"eth_chainId": "0x1"}
        if self.fork_url:
            known["anvil_nodeInfo"] = {"forkConfig": {"forkUrl": self.fork_url}}
        answer = {"result": known[body["method"]]} if body["method"] in known else {"error": {}}
        content = json.dumps({"jsonrpc": "2.0", "id": body["id"]} | answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture(params=[None, "https://example.org/rpc"], ids=["no anvil", "a fork"])
def stranger(request):
    kind = type("ThisStranger", (Stranger,), {"asked": [], "fork_url": request.param})
    server = HTTPServer(("127.0.0.1", 0), kind)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", kind.asked
    server.shutdown()
    server.server_close()


def test_a_chain_that_is_not_local_is_asked_who_it_is_and_nothing_more(stranger):
    url, asked = stranger

    with pytest.raises(Stop, match="is no local chain, so nothing is deployed there"):
        devnet.furnish(url, "ethereum", wallets=WALLETS)

    assert set(asked) <= {"anvil_nodeInfo", "eth_chainId"}


def test_a_local_chain_of_another_id_is_not_touched(url):
    before = number(url)

    with pytest.raises(Stop, match="is no local chain"):
        devnet.furnish(url, "polygon", wallets=WALLETS)

    assert number(url) == before
    assert ask(url, "txpool_status")["pending"] == "0x0"


def test_nobody_there_is_no_local_chain():
    assert not devnet.is_local("http://127.0.0.1:1", "ethereum")


def test_what_furnishes_but_reverts_is_a_sentence(url, usdt):
    made = devnet.send(url, owner(url), to=usdt, code="0x00000000")

    with pytest.raises(Stop, match="did not take what furnishes it"):
        devnet.mined(url, [made])


# --- What the token does --------------------------------------------------------------


def test_a_transfer_moves_units_and_is_told(url, usdt):
    do(url, usdt, devnet.call("mint(address,uint256)", owner(url), 100))

    told = hand_over(url, usdt, 40)

    assert devnet.balance(url, usdt, SOMEBODY) == 40
    [log] = told["logs"]
    assert log["topics"][0] == TRANSFER
    assert [int(topic, 16) for topic in log["topics"][1:]] == [
        int(owner(url), 16),
        int(SOMEBODY, 16),
    ]
    assert int(log["data"], 16) == 40


def test_more_than_there_is_moves_nothing(url, usdt):
    do(url, usdt, devnet.call("mint(address,uint256)", owner(url), 100))

    with pytest.raises(Refused):
        hand_over(url, usdt, 101)

    assert devnet.balance(url, usdt, owner(url)) == 100
    assert devnet.balance(url, usdt, SOMEBODY) == 0


def test_a_spender_has_what_was_approved_and_no_more(url, usdt):
    holder, spender = ask(url, "eth_accounts")[:2]
    do(url, usdt, devnet.call("mint(address,uint256)", holder, 100))
    do(url, usdt, devnet.call("approve(address,uint256)", spender, 30))
    take = "transferFrom(address,address,uint256)"

    do(url, usdt, devnet.call(take, holder, SOMEBODY, 20), sender=spender)
    with pytest.raises(Refused):
        do(url, usdt, devnet.call(take, holder, SOMEBODY, 11), sender=spender)

    assert devnet.balance(url, usdt, SOMEBODY) == 20


@pytest.mark.parametrize(
    "line",
    [
        devnet.call("mint(address,uint256)", SOMEBODY, 1),
        devnet.call("blacklist(address)", SOMEBODY),
        devnet.call("unblacklist(address)", SOMEBODY),
        devnet.call("pause()"),
        devnet.call("unpause()"),
    ],
)
def test_only_the_owner_may(url, usdt, line):
    other = ask(url, "eth_accounts")[1]

    with pytest.raises(Refused, match="not the owner"):
        do(url, usdt, line, sender=other)


@pytest.mark.parametrize(
    ("shut", "words", "open_again"),
    [
        (("blacklist(address)", SOMEBODY), "receiver is blacklisted", "unblacklist(address)"),
        (("pause()",), "paused", "unpause()"),
    ],
)
def test_a_transfer_that_is_stopped_reverts_until_it_is_allowed_again(
    url, usdt, shut, words, open_again
):
    do(url, usdt, devnet.call("mint(address,uint256)", owner(url), 100))
    do(url, usdt, devnet.call(*shut))

    with pytest.raises(Refused, match=words):
        hand_over(url, usdt, 1)
    do(url, usdt, devnet.call(open_again, *shut[1:]))
    hand_over(url, usdt, 1)

    assert devnet.balance(url, usdt, SOMEBODY) == 1


@pytest.mark.parametrize(
    ("answers", "is_moving", "is_telling"),
    [(1, 1, 1), (0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 0)],
)
def test_the_odd_token_behaves_as_it_is_told(url, answers, is_moving, is_telling):
    odd = {"contract": "odd_token"}
    made = devnet.send(url, owner(url), code=artifact("odd_token")["bytecode"])
    token = devnet.mined(url, [made])[0]["contractAddress"]
    do(url, token, devnet.call("mint(address,uint256)", owner(url), 100, **odd))
    behaviour = (answers, is_moving, is_telling)
    do(url, token, devnet.call("behave(uint256,bool,bool)", *behaviour, **odd))
    line = devnet.call("transfer(address,uint256)", SOMEBODY, 7, **odd)
    wish = {"from": owner(url), "to": token, "data": line}

    answer = int(ask(url, "eth_call", wish, "latest"), 16)
    told = hand_over(url, token, 7, **odd)

    assert answer == answers
    assert devnet.balance(url, token, SOMEBODY) == 7 * is_moving
    assert len(told["logs"]) == is_telling
