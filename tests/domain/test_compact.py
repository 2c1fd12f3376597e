"""JSON text as it is kept says what the values say, however it was written."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler_app.domain.compact import compact, parse, text_of

LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


@given(VALUES)
def test_what_is_json_for_certain_is_written_and_read_as_python_would(value: Any):
    assert json.loads(text_of(value)) == json.loads(compact(value)) == value
    assert parse(text_of(value)) == parse(compact(value)) == value


def test_what_is_nested_deeper_than_rust_goes_is_read_too():
    text = "[" * 400 + "]" * 400
    assert parse(text) == json.loads(text)


@pytest.mark.parametrize("text", ["", "{", "nul", '{"a":1}}'])
def test_what_is_no_json_is_told_in_the_words_of_python(text: str):
    with pytest.raises(json.JSONDecodeError):
        parse(text)


@pytest.mark.parametrize("value", [math.nan, {1, 2}, object()])
def test_what_is_not_json_is_refused(value: object):
    with pytest.raises((ValueError, TypeError)):
        compact(value)
