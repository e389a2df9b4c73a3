"""The committed bytecode is what the sources compile to, and says what it is."""

import json

import pytest
import vyper

from zopay_site.embedded.compile_contracts import as_text, compiled
from zopay_site.embedded.contracts import FOLDER, artifact

SOURCES = sorted(FOLDER.glob("*.vy"))


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_the_artifact_is_what_the_source_compiles_to(source):
    committed = source.with_suffix(".json").read_text()

    assert json.loads(committed)["compiler"] == f"vyper {vyper.__version__}"
    assert as_text(compiled(source)) == committed


def test_every_artifact_has_a_source():
    made_from = {path.stem for path in SOURCES}

    assert {path.stem for path in FOLDER.glob("*.json")} == made_from == {"token", "odd_token"}


def test_selectors_are_whole_and_those_of_erc20():
    selectors = artifact("token")["selectors"]

    assert {len(selector) for selector in selectors.values()} == {10}
    # ERC-20 as published, by the first four bytes of Keccak-256.
    assert selectors["transfer(address,uint256)"] == "0xa9059cbb"
    assert selectors["approve(address,uint256)"] == "0x095ea7b3"
    assert selectors["transferFrom(address,address,uint256)"] == "0x23b872dd"
    assert selectors["balanceOf(address)"] == "0x70a08231"
    assert selectors["totalSupply()"] == "0x18160ddd"
