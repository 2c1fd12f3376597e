"""The tape, the hours, the week: where things stand in the pictures, and what is said of them in words."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from scheduler_app.dashboard import hours, tape
from scheduler_app.dashboard.heat import Look, brief, next_change, rows, step_of
from scheduler_app.dashboard.lines import line
from scheduler_app.services.outlooks import HourPlan
from scheduler_app.services.stats import Bucket, Tally
from scheduler_app.services.tape import Ended, Tape, summed
from tests.dashboard.world import NOW

BERLIN = ZoneInfo("Europe/Berlin")
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def strip(**fields: Any) -> Tape:
    known: dict[str, Any] = {"ended": (), "running": (), "planned": (), "is_whole": True, "counts": Tally()}
    return Tape(now=NOW, **(known | fields))


def test_the_tape_reaches_from_40_minutes_back_to_22_ahead_with_now_at_64_percent() -> None:
    ended = (Ended(at=NOW - 40 * MINUTE, failed=False), Ended(at=NOW - MINUTE / 60, failed=True))
    drawn = tape.draw(strip(ended=ended, planned=(NOW + 22 * MINUTE,), running=(NOW - 20 * MINUTE,)), BERLIN)

    assert drawn.succeeded.startswith("M0 ") and drawn.failed.startswith("M636 ")
    assert drawn.planned.startswith("M1000.5 ")
    assert [(lane.x, lane.x + lane.width) for lane in drawn.running] == [(320.0, 640.0)]
    assert drawn.clock == "16:12:08"
    assert [text for _, text, _ in drawn.labels] == ["15:40", "15:50", "16:00", "16:20", "16:30"]


def test_a_failed_tick_is_twice_as_tall_and_cut() -> None:
    (failed,) = [tape.draw(strip(ended=(Ended(at=NOW, failed=True),)), BERLIN).failed]

    assert failed.count("M") == 2
    assert 2 * tape.TALLEST == 17 + 3 + 6


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (strip(), "Last 40 minutes: nothing ended. Next 22 minutes: nothing planned. Open the timeline"),
        (
            strip(counts=Tally(succeeded=141, failed=2), planned=(NOW,) * 76, running=(NOW,)),
            "Last 40 minutes: 141 succeeded, 2 failed. 1 run now. Next 22 minutes: 76 planned. Open the timeline",
        ),
        (
            strip(planned=(NOW,) * 200, is_whole=False, counts=Tally(missed=1)),
            "Last 40 minutes: 1 missed. Next 22 minutes: 200+ planned. Open the timeline",
        ),
    ],
)
def test_the_tape_is_told_in_words(given: Tape, told: str) -> None:
    assert tape.tell(given) == told


def test_what_ended_is_summed_as_people_count() -> None:
    bucket = Bucket(at=NOW, counts={"succeeded": 5, "failed": 1, "timed_out": 2, "lost": 1, "missed": 3, "skipped": 0})

    assert summed([bucket, bucket]) == Tally(succeeded=10, failed=8, missed=6)


def test_the_present_hour_is_half_hollow() -> None:
    hour = NOW.replace(minute=0, second=0)
    buckets = [
        Bucket(at=hour - HOUR, counts={"succeeded": 200}),
        Bucket(at=hour, counts={"succeeded": 50, "failed": 4}),
    ]
    plans = [HourPlan(at=hour + at * HOUR, firings=100, busy_seconds=0) for at in range(3)]
    coming = SimpleNamespace(jobs=[SimpleNamespace(next_run_times=[NOW + MINUTE, NOW + HOUR])])
    found: Any = SimpleNamespace(now=NOW, hours=buckets, plans=plans, coming=coming, seen=SimpleNamespace(running=[1]))

    chart = hours.chart(found, BERLIN)

    before, present, *later = chart.columns
    assert (before.good, before.planned, before.running) == (194.0, 0.0, False)
    assert present.good == 48.5 and present.planned > 0 and present.running
    assert present.failed == 4 and present.told == "Sun 16:00 to 17:00: 50 succeeded, 4 failed, 1 planned"
    assert [column.planned for column in later] == [97.0, 97.0]
    assert chart.scale[-1] == (16.0, "200") and 25 < chart.now_at < 50


def week_of(start: datetime) -> list[HourPlan]:
    return [HourPlan(at=start + at * HOUR, firings=at, busy_seconds=at) for at in range(169)]


def test_the_hour_that_a_change_of_clocks_leaves_out_has_no_cell() -> None:
    start = datetime(2027, 3, 21, 23, tzinfo=UTC)
    look = Look(zone=BERLIN, now=NOW, chosen=start, busy=False)

    week = rows(week_of(start)[:167], look)

    assert [row.name for row in week] == ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
    assert [slot.hour for slot in week[6].slots if not slot.cells] == [2]
    assert sum(len(slot.cells) for row in week for slot in row.slots) == 167


def test_the_hour_that_comes_twice_has_two_cells() -> None:
    start = datetime(2026, 10, 18, 22, tzinfo=UTC)

    week = rows(week_of(start), Look(zone=BERLIN, now=start, chosen=start, busy=False))

    assert [slot.hour for slot in week[6].slots if len(slot.cells) == 2] == [2]
    assert week[0].slots[0].cells[0].is_now


def test_the_next_change_of_clocks_is_known() -> None:
    change = next_change(NOW, BERLIN)

    assert change is not None
    assert (change.before.isoformat(), change.after.isoformat()) == ("2027-03-28T02:00:00", "2027-03-28T03:00:00")
    assert next_change(NOW, ZoneInfo("UTC")) is None


def test_heat_is_linear_from_the_least_to_the_most() -> None:
    assert [step_of(value, 100, 160) for value in (100, 109, 110, 159, 160)] == [0, 0, 1, 5, 5]
    assert step_of(7, 7, 7) == 0


@pytest.mark.parametrize(("value", "shown"), [(0, "0"), (999, "999"), (1234, "1.2k"), (12_345, "12k"), (2e6, "2M")])
def test_a_number_in_a_cell_is_brief(value: float, shown: str) -> None:
    assert brief(value) == shown


def test_a_line_begins_at_the_left_and_ends_at_the_right() -> None:
    points = [(NOW + at * MINUTE, 0.3 if at == 90 else None if at == 10 else 0.04) for at in range(181)]

    drawn = line(points, "s", 0.1, BERLIN)

    assert drawn.path.startswith("M0 ") and "L1000 " in drawn.path
    assert [text for _, text in drawn.scale] == ["0.1", "0.2", "0.3"]
    assert drawn.labels[-1] == (100.0, "now")
    assert drawn.told == "at most 0.3 s, now 0.04 s"


def test_a_line_without_points_is_empty() -> None:
    assert line([], "s", 0.1, BERLIN).path == ""
