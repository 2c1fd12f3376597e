"""Seeds of tests that are tried with luck: some are enough for who runs the fast tests again and again."""

from collections.abc import Iterable
from itertools import islice
from typing import Any

import pytest


def mostly_slow(values: Iterable[Any], *, fast: int = 1) -> list[Any]:
    """The first few as they are, the others for the whole suite."""
    rest = iter(values)
    return [*islice(rest, fast), *(pytest.param(*_as_tuple(value), marks=pytest.mark.slow) for value in rest)]


def _as_tuple(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)
