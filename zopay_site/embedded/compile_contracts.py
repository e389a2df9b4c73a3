"""Compiles contracts/*.vy into the JSON beside them. Run by hand when a source changes.

    python -m zopay_site.embedded.compile_contracts

Vyper is installed for development only; bin/up deploys what is committed, and
tests/embedded/test_contracts.py proves that it is what the sources compile to.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from zopay_site.embedded.contracts import FOLDER

if TYPE_CHECKING:
    from pathlib import Path

SELECTOR_DIGITS = 8


def main() -> None:
    for source in sorted(FOLDER.glob("*.vy")):
        source.with_suffix(".json").write_text(as_text(compiled(source)))
        print(source.with_suffix(".json").name)


def compiled(source: Path) -> dict[str, Any]:
    """The artifact of one source: compiler, ABI, selectors by signature, creation bytecode."""
    # Only here, because it comes with the development wheels.
    import vyper

    made = vyper.compile_code(
        source.read_text(), output_formats=["abi", "bytecode", "method_identifiers"]
    )
    selectors = {
        # Vyper drops leading zeros, which are part of a selector.
        signature: f"0x{selector.removeprefix('0x'):0>{SELECTOR_DIGITS}}"
        for signature, selector in made["method_identifiers"].items()
    }
    return {
        "source": source.name,
        "compiler": f"vyper {vyper.__version__}",
        "abi": made["abi"],
        "selectors": selectors,
        "bytecode": made["bytecode"],
    }


def as_text(artifact: dict[str, Any]) -> str:
    return json.dumps(artifact, indent=1, sort_keys=True) + "\n"


if __name__ == "__main__":
    main()
