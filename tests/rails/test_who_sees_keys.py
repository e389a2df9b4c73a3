"""Private keys are seen by one module of the source, and no other can even name one."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCES = [
    path
    for top in ("engine", "connect", "tracking", "zopay_site")
    for path in sorted((ROOT / top).rglob("*.py"))
]
SEES_KEYS = "engine/rails/signing.py"
KEY_WORDS = re.compile(
    r"from_key|private_?key|PrivateKey|decode_keyfile|from_mnemonic", re.IGNORECASE
)


def imported(path):
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_only_one_module_can_sign():
    able = {"eth_account", "eth_keyfile"}
    importers = {
        str(path.relative_to(ROOT))
        for path in SOURCES
        if any(name.split(".")[0] in able for name in imported(path))
    }

    assert importers == {SEES_KEYS}


def test_only_one_module_speaks_of_private_keys():
    def code(path):
        tree = ast.parse(path.read_bytes())
        names = [getattr(node, "id", getattr(node, "attr", "")) for node in ast.walk(tree)]
        words = [node.arg for node in ast.walk(tree) if isinstance(node, ast.keyword | ast.arg)]
        texts = [
            node.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
            and " " not in node.value
        ]  # fmt: skip
        return " ".join([*names, *(word for word in words if word), *texts, *imported(path)])

    speakers = {str(path.relative_to(ROOT)) for path in SOURCES if KEY_WORDS.search(code(path))}

    assert speakers == {SEES_KEYS}
