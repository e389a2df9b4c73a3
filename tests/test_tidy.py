"""The shape of the source itself: short files, short functions, no leftovers."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 50
# Written in two halves, so that this file does not find itself.
LEFTOVERS = re.compile("|".join(["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"]))
BANNED = {
    "transaction",
    "process",
    "handle",
    "manager",
    "utils",
    "helper",
    "misc",
    "data",
    "info",
}
# Django's own names, which we can only take as they are.
GIVEN = {"handle"}


def sources(*patterns):
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    paths = [ROOT / line for line in listed.stdout.splitlines() if "migrations/" not in line]
    return [path for path in paths if path.exists()]


def name(path):
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", sources("*.py"), ids=name)
def test_a_file_is_short_and_so_are_its_functions(path):
    text = path.read_text()
    too_long = [
        f"{node.name} has {node.end_lineno - node.lineno + 1} lines"
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno - node.lineno >= FUNCTION_LINES_MAX
    ]

    assert too_long == []
    assert text.count("\n") <= FILE_LINES_MAX


@pytest.mark.parametrize("path", sources("*.py", "*.sql", "*.html", "*.css", "*.js"), ids=name)
def test_nothing_is_left_for_later(path):
    assert LEFTOVERS.findall(path.read_text()) == []


@pytest.mark.parametrize(
    "path",
    sources(
        "engine/*.py", "connect/*.py", "disbursements/*.py", "tracking/*.py", "zopay_site/*.py"
    ),
    ids=name,
)
def test_no_name_means_three_things(path):
    named = {
        node.name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    } | {path.stem}

    assert {word.lower() for word in named} & BANNED <= GIVEN


@pytest.mark.parametrize("path", sources(), ids=name)
def test_the_repository_names_no_machine(path):
    try:
        text = path.read_text()
    except UnicodeDecodeError:
        return

    assert re.findall(r"/(?:home|Users|root)/[a-z]\w+/", text) == []
    assert re.findall(r"https?://[\w.-]*(?:pkg\.dev|artifactory|nexus)[\w.-]*", text) == []
