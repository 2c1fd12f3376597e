"""Limits of a task as they are written: what is meant, and what is refused."""

import pytest

from scheduler_app.domain.task import Task
from scheduler_app.errors import ConfigurationError


def work() -> None:
    """A function to be made a task."""


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("rate_limit", "10"),
        ("rate_limit", "10/x"),
        ("rate_limit", "0/m"),
        ("rate_limit", "-1/m"),
        ("rate_limit", "5/0s"),
        ("rate_limit", "5/40d"),
        ("rate_limit", "100001/d"),
        ("rate_limit", 10),
        ("rate_limit", "1.5/m"),
        ("max_running", 0),
        ("max_running", True),
        ("max_running", "3"),
        ("max_running", 10_001),
    ],
)
def test_a_malformed_limit_is_refused_by_its_name_when_the_task_is_registered(option, value):
    with pytest.raises(ConfigurationError, match=f"task option {option}: got .*; allowed: "):
        Task.of(work, **{option: value})


@pytest.mark.parametrize(
    ("text", "shown"), [("10/m", "10/m"), ("10/60s", "10/m"), ("5/30s", "5/30s"), ("3/24h", "3/d"), ("9/90m", "9/90m")]
)
def test_a_rate_is_shown_in_the_largest_unit(text, shown):
    assert str(Task.of(work, rate_limit=text).rate_limit) == shown


def test_a_misspelt_limit_is_refused_with_the_nearest_name():
    with pytest.raises(ConfigurationError, match="did you mean rate_limit"):
        Task.of(work, ratelimit="10/m")
