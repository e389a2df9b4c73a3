"""docs/configuration.md lists what settings.py reads: every variable, none that is gone."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SETTINGS = (ROOT / "zopay_site" / "settings.py").read_text()
DOCUMENTED = set(
    re.findall(
        r"^\| `([A-Z_]+(?:{NETWORK})?)`",
        (ROOT / "docs" / "configuration.md").read_text(),
        re.MULTILINE,
    )
)
# Read by zopay_site/embedded alone.
EMBEDDED = {"ZOPAY_POSTGRES_BIN", "ZOPAY_ANVIL_BIN"}
SECRETS = [
    "SECRET_KEY",
    "KEY_PEPPER",
    "SIGNING_KEYS",
    "SEALING_KEYS",
    "DATABASE_URL",
    "REDIS_URL",
]


def named(argument):
    """The variable's name; what is put together stands for one of each network."""
    if isinstance(argument, ast.JoinedStr):
        return f"{argument.values[0].value}{{NETWORK}}"
    return argument.value


def read_by_settings():
    return {
        named(node.args[0])
        for node in ast.walk(ast.parse(SETTINGS))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "env"
    }


def test_every_variable_is_documented_and_every_documented_one_is_read():
    assert read_by_settings() | EMBEDDED == DOCUMENTED


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("SECRET_KEY", "x" * 31),
        ("KEY_PEPPER", ""),
        ("SIGNING_KEYS", ""),
        ("SEALING_KEYS", f"{'x' * 32},short"),
    ],
)
def test_a_secret_that_could_be_guessed_stops_the_start_and_is_named(name, text):
    end = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=ROOT,
        env=os.environ | {name: text},
        capture_output=True,
        text=True,
        check=False,
    )

    assert end.returncode != 0
    assert f"{name} needs 32 characters" in end.stderr


@pytest.mark.parametrize("name", SECRETS)
def test_a_missing_secret_stops_the_start_and_is_named(name):
    environment = {key: value for key, value in os.environ.items() if key != name}

    end = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert end.returncode != 0
    assert name in end.stderr
