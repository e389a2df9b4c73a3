"""JSON that means one thing only."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.common.api import BODY_BYTES_MAX, DEPTH_MAX, parse_json
from engine.common.errors import InvalidInput

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(min_value=-(2**63), max_value=2**63)
    | st.text(
        st.characters(exclude_categories=["Cs"], exclude_characters="\x00\\"), max_size=20
    ),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text("abc"), inner, max_size=4)
    ),
    max_leaves=10,
)


@given(plain)
def test_ordinary_json_is_read_as_it_is(value):
    import orjson

    assert parse_json(orjson.dumps(value)) == value


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"{'a': 1}", "not JSON"),
        (b'{"a": 1, "a": 2}', "twice"),
        (b'{"x": {"a": 1, "a": 1}}', "twice"),
        (b'{"a": NaN}', "NaN is not JSON"),
        (b'{"a": -Infinity}', "Infinity is not JSON"),
        (rb'{"a": "\ud800"}', "not JSON"),
        (rb'{"\udfff": 1}', "not JSON"),
        (rb'{"a": "\u0000"}', "NUL"),
        (rb'{"\u0000": 1}', "NUL"),
        (b'{"a": "\xff"}', "not JSON"),
        (b"\xff\xfe{\x00}\x00", "not JSON"),
        (b"[" * 33 + b"]" * 33, "deeper"),
        (b"[" * 30_000 + b"]" * 30_000, "not JSON|deeper"),
        (b'{"a": 1' + b"0" * 400 + b"}", "not JSON"),
    ],
)
def test_what_python_would_let_through_is_refused(body, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        parse_json(body)


def test_broken_json_is_told_with_its_place():
    with pytest.raises(InvalidInput, match=r"not JSON: see line 2, column 1\.$"):
        parse_json(b'{"a": 1,\n}')


def test_depth_is_allowed_to_its_limit():
    assert parse_json(b"[" * DEPTH_MAX + b"]" * DEPTH_MAX)


def test_a_body_may_have_64_kilobytes():
    assert BODY_BYTES_MAX == 65_536
