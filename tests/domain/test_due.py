"""What is due: told from both ends, the same as by walking through every firing, and fast."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler_app.domain.due import due, firings, missed_between, newest, preview
from scheduler_app.domain.trigger import Trigger, parse_trigger

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
SPECS: list[dict[str, object]] = [
    {"type": "interval", "minutes": 5, "start_date": "2026-01-01T00:00:00Z"},
    {"type": "interval", "seconds": 0.75, "start_date": "2026-11-22T11:00:00Z"},
    {"type": "interval", "hours": 7, "start_date": "2026-10-01T00:00:00Z", "end_date": "2026-11-20T00:00:00Z"},
    {"type": "cron", "expression": "*/20 * * * *", "timezone": "Europe/Berlin"},
    {"type": "cron", "expression": "30 2 * * *", "timezone": "America/New_York"},
    {"type": "cron", "expression": "0 9 * * 1-5", "timezone": "Asia/Tehran"},
    {"type": "cron", "expression": "*/10 * * * * *", "seconds": True},
    {
        "type": "cron",
        "expression": "0 0 L * *",
        "start_date": "2026-01-01T00:00:00Z",
        "end_date": "2026-08-01T00:00:00Z",
    },
    {"type": "date", "run_date": "2026-11-20T00:00:00Z"},
]


def trigger_of(**spec: object) -> Trigger:
    return parse_trigger(spec, now=NOW)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def walked(trigger: Trigger, first: datetime, until: datetime) -> list[datetime]:
    """All firings from `first` to `until`, one by one."""
    found = [first]
    for firing in firings(trigger, first):
        if firing > until:
            break
        found.append(firing)
    return found


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(SPECS), st.integers(0, 40 * 86_400), st.integers(0, 30 * 86_400))
def test_due_is_what_walking_finds(spec: dict[str, object], back: int, late: int) -> None:
    trigger = parse_trigger(spec, now=NOW)
    first = trigger.after(NOW - timedelta(seconds=back))
    if first is None:
        return
    now = min(
        first + timedelta(seconds=late), first + timedelta(hours=12) if "seconds" in spec else NOW + NOW.resolution
    )
    if now < first:
        return
    all_due = walked(trigger, first, now)
    found = due(trigger, first, now)
    assert found.latest == all_due[-1]
    assert found.next == trigger.after(now)
    earlier = all_due[:-1]
    if not earlier:
        assert found.earlier is None
    else:
        assert found.earlier is not None
        assert (found.earlier.since, found.earlier.until) == (earlier[0], earlier[-1])
        assert found.earlier.count == (len(earlier) if len(earlier) <= 10_000 else None)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(SPECS), st.integers(0, 3 * 86_400), st.integers(1, 120))
def test_the_newest_and_the_older_are_all(spec: dict[str, object], back: int, most: int) -> None:
    trigger = parse_trigger(spec, now=NOW)
    first = trigger.after(NOW - timedelta(seconds=back))
    if first is None or first > NOW:
        return
    all_due = walked(trigger, first, NOW)
    kept, older = newest(trigger, first, NOW, most)
    assert kept == all_due[-most:]
    rest = all_due[:-most]
    assert (older is None) == (not rest)
    if older is not None:
        assert (older.since, older.until) == (rest[0], rest[-1])
        assert older.count == (len(rest) if len(rest) <= 10_000 else None)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(SPECS), st.integers(0, 3 * 86_400))
def test_a_paused_range_is_one_missed_range(spec: dict[str, object], back: int) -> None:
    trigger = parse_trigger(spec, now=NOW)
    first = trigger.after(NOW - timedelta(seconds=back))
    if first is None or first > NOW:
        return
    missed, following = missed_between(trigger, first, NOW)
    all_due = walked(trigger, first, NOW)
    assert missed is not None
    assert (missed.since, missed.until, following) == (all_due[0], all_due[-1], trigger.after(NOW))
    assert missed.count == (len(all_due) if len(all_due) <= 10_000 else None)


def test_nothing_is_missed_before_the_first() -> None:
    trigger = trigger_of(type="interval", minutes=5)
    first = trigger.first(NOW)
    assert first is not None
    assert missed_between(trigger, first, NOW) == (None, first)


def test_a_date_that_is_past_is_due_alone() -> None:
    trigger = trigger_of(type="date", run_date="2020-01-01T00:00Z")
    found = due(trigger, at("2020-01-01"), NOW)
    assert (found.latest, found.earlier, found.next) == (at("2020-01-01"), None, None)


def test_a_stored_time_that_new_zone_data_moved_still_counts_as_promised() -> None:
    trigger = trigger_of(type="cron", expression="0 9 * * *")
    found = due(trigger, at("2026-11-20T08:00"), at("2026-11-21T10:00"))
    assert found.latest == at("2026-11-21T09:00")
    assert found.earlier is not None
    assert (found.earlier.since, found.earlier.count) == (at("2026-11-20T08:00"), 2)
    alone = due(trigger, at("2026-11-20T08:00"), at("2026-11-20T08:30"))
    assert (alone.latest, alone.earlier) == (at("2026-11-20T08:00"), None)


@pytest.mark.parametrize(("firings_due", "count"), [(10_000, 9_999), (10_001, 10_000), (10_002, None)])
@pytest.mark.parametrize(
    "spec",
    [
        {"type": "cron", "expression": "* * * * *"},
        {"type": "interval", "minutes": 1, "start_date": "2026-01-01T00:00:00Z"},
    ],
)
def test_the_count_is_known_up_to_ten_thousand(spec: dict[str, object], firings_due: int, count: int | None) -> None:
    first = at("2026-05-01")
    found = due(parse_trigger(spec, now=NOW), first, first + timedelta(minutes=firings_due - 1))
    assert found.earlier is not None
    assert found.earlier.count == count


@pytest.mark.parametrize(
    "spec",
    [
        # each two years overdue
        {"type": "cron", "expression": "* * * * * *", "seconds": True, "timezone": "America/New_York"},
        {"type": "interval", "seconds": 0.001, "start_date": "2024-01-01T00:00:00Z"},
    ],
)
def test_two_years_of_every_second_are_told_in_no_time(spec: dict[str, object]) -> None:
    trigger = parse_trigger(spec, now=NOW)
    began = time.perf_counter()
    found = due(trigger, at("2024-11-22"), NOW)
    assert time.perf_counter() - began < 1
    assert found.latest == NOW
    assert found.earlier is not None
    assert found.earlier.count is None


def test_a_preview_is_strictly_after_and_bounded() -> None:
    trigger = trigger_of(type="interval", hours=1, start_date="2026-11-22T12:00:00Z")
    assert preview(trigger, NOW, 2) == [NOW + timedelta(hours=1), NOW + timedelta(hours=2)]
    assert len(preview(trigger, NOW, 5000)) == 1000
    assert preview(trigger, NOW, 0) == []
    assert preview(trigger, NOW, -1) == []
    assert preview(trigger_of(type="date", run_date="2026-11-23T00:00Z"), NOW, 5) == [at("2026-11-23")]
