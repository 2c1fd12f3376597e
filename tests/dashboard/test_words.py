"""How times, durations and counts are told."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from scheduler_app.dashboard import words

NOW = datetime(2026, 11, 22, 15, 12, 8, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (None, "—"),
        (0, "0.0 s"),
        (0.04, "0.04 s"),
        (0.8, "0.8 s"),
        (8.31, "8.3 s"),
        (41.2, "41 s"),
        (59.7, "1 m"),
        (590, "9 m 50 s"),
        (720, "12 m"),
        (3840, "1 h 04 m"),
        (86399.9, "1 d"),
        (6 * 86400 + 4 * 3600 + 7, "6 d 04 h"),
    ],
)
def test_a_duration_is_told_in_two_units(seconds: float | None, told: str) -> None:
    assert words.duration(seconds) == told


@pytest.mark.parametrize(
    ("away", "told"),
    [
        (timedelta(minutes=2, seconds=52), "in 2 m 52 s"),
        (timedelta(hours=-2, minutes=-2), "2 h 02 m ago"),
        (timedelta(seconds=-1.4), "1 s ago"),
    ],
)
def test_a_distance_says_on_which_side_of_now_it_lies(away: timedelta, told: str) -> None:
    assert words.distance(NOW + away, NOW) == told


@pytest.mark.parametrize(
    ("at", "told"),
    [
        ("2026-11-22T15:15:00+00:00", "16:15"),
        ("2026-11-22T15:12:30+00:00", "16:12:30"),
        ("2026-11-22T23:30:00+00:00", "Mon 00:30"),
        ("2026-12-01T05:00:00+00:00", "1 Dec 06:00"),
        ("2027-12-01T05:00:00+00:00", "1 Dec 2027 06:00"),
    ],
)
def test_a_moment_is_told_as_people_do_in_their_zone(at: str, told: str) -> None:
    assert words.clock(datetime.fromisoformat(at), NOW, BERLIN) == told


@pytest.mark.parametrize(
    ("part", "whole", "told"),
    [(0, 0, "—"), (0, 10, "0"), (10, 10, "100"), (99_999, 100_000, "99.9"), (1, 100_000, "0.1"), (5018, 5028, "99.8")],
)
def test_a_share_is_rounded_but_never_to_all_or_nothing(part: int, whole: int, told: str) -> None:
    assert words.share(part, whole) == told
