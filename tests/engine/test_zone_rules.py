"""Newer time zone rules: what was planned moves with them, nothing is lost and nothing happens twice."""

import random
import struct
import zoneinfo
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from scheduler_app.domain import zone
from scheduler_app.domain.zone_rules import is_newer, rules_version
from scheduler_app.engine.passes import trigger_of
from scheduler_app.errors import StoreUnavailable
from scheduler_app.services import jobs, rezoning
from scheduler_app.store import facts, zoned
from scheduler_app.testing.clock import START
from tests.seeds import mostly_slow

Install = Callable[..., None]


def compiled(rule: str) -> bytes:
    """Return a zone file (RFC 8536, version 2) of a POSIX rule alone."""
    header = b"TZif2" + bytes(15) + struct.pack(">6l", 0, 0, 0, 0, 1, 4)
    block = header + struct.pack(">lbb", 0, 0, 0) + b"LMT\0"
    return block + block + f"\n{rule}\n".encode()


def forget() -> None:
    """Forget every zone that was read, as a new process has."""
    zoneinfo.ZoneInfo.clear_cache()
    for cached in (zone.find_zone, zone.spans, zone.zone_names, trigger_of):
        cached.cache_clear()


@pytest.fixture
def install(tmp_path: Path) -> Iterator[Install]:
    """Install rules by name: `install("2098a", "CET-1")` makes Berlin an hour east of UTC in all of time."""
    before = zoneinfo.TZPATH

    def install(version: str, berlin: str) -> None:
        folder = tmp_path / f"{version}{berlin}" / "Europe"
        folder.mkdir(parents=True)
        folder.joinpath("Berlin").write_bytes(compiled(berlin))
        folder.with_name("tzdata.zi").write_text(f"# version {version}\n")
        zoneinfo.reset_tzpath(to=[str(folder.parent), *before])
        forget()

    yield install
    zoneinfo.reset_tzpath(to=before)
    forget()


@pytest.fixture
def restart(scheduler) -> Callable[[], None]:
    """Let the engine begin anew: it registers at its next poll."""
    return scheduler.core.engine._forget


@pytest.fixture
def daily(scheduler, fake_clock, install, nothing):
    """A job that fires every day at 9 in Berlin, which is 8 in UTC by the rules of 2098a."""
    install("2098a", "CET-1")
    scheduler.add_job("job", nothing, trigger="cron", expression="0 9 * * *", timezone="Europe/Berlin")
    fake_clock.run_due()
    assert scheduler.get_job("job").next_run_time == START + timedelta(hours=8)


def hours(watch) -> list[float]:
    """The scheduled times of all runs, in hours since the start."""
    return [(run.scheduled_at - START) / timedelta(hours=1) for run in watch.runs("job")]


def test_what_is_planned_moves_with_the_rules(daily, fake_clock, install, restart, watch):
    install("2098b", "CET-3")
    restart()
    fake_clock.advance(days=2)
    assert hours(watch) == [6, 30]


def test_a_firing_that_the_new_rules_put_before_now_is_late_not_lost(daily, fake_clock, install, restart, watch):
    fake_clock.advance(hours=7)
    install("2098b", "CET-3")
    restart()
    fake_clock.run_due()
    assert hours(watch) == [6]
    assert watch.runs("job")[0].lateness == 3600
    fake_clock.advance(days=1)
    assert hours(watch) == [6, 30]


def test_what_has_fired_by_the_old_rules_does_not_fire_again_at_its_new_time(
    daily, fake_clock, install, restart, watch
):
    fake_clock.advance(hours=8, minutes=5)
    install("2098b", "UTC0")
    restart()
    fake_clock.advance(days=1, hours=1)
    assert hours(watch) == [8, 33]


@pytest.mark.parametrize(("rule", "second"), [("UTC0", 33), ("CET-3", 30)])
def test_what_was_due_first_fires_by_the_rules_that_stood(daily, fake_clock, install, restart, watch, rule, second):
    fake_clock.jump(hours=8, minutes=30)
    install("2098b", rule)
    restart()
    fake_clock.run_due()
    assert hours(watch) == [8]
    fake_clock.advance(days=1, hours=1)
    assert hours(watch) == [8, second]


def test_what_was_due_is_judged_by_its_grace(daily, scheduler, fake_clock, install, restart, watch, nothing):
    jobs.change_job("job", jobs.JobChanges(fields={}, policies={"misfire_grace_time": 60}), ctx=scheduler.core.ctx)
    fake_clock.jump(hours=8, minutes=30)
    install("2098b", "UTC0")
    restart()
    fake_clock.run_due()
    assert watch.story("job") == ["missed @480-480 x1 misfire_grace_time"]


def test_a_paused_job_moves_too_and_keeps_its_pause(daily, scheduler, fake_clock, install, restart, watch):
    scheduler.pause_job("job")
    install("2098b", "CET-3")
    restart()
    fake_clock.run_due()
    job = scheduler.get_job("job").record
    assert (job.state, job.next_run_time) == ("paused", START + timedelta(hours=6))


@pytest.mark.parametrize("version", ["2098a", "2097z"])
def test_rules_that_are_not_newer_move_nothing(daily, scheduler, fake_clock, install, restart, version):
    install(version, "CET-3")
    restart()
    fake_clock.run_due()
    assert scheduler.get_job("job").next_run_time == START + timedelta(hours=8)


def test_the_version_stands_in_the_store(daily, scheduler, fake_clock, install, restart):
    database = scheduler.core.database
    with database.read() as tx:
        assert facts.get(tx, "tzdata") == {"version": "2098a"}
    install("2098b", "CET-3")
    restart()
    fake_clock.run_due()
    with database.read() as tx:
        assert facts.get(tx, "tzdata") == {"version": "2098b"}


def test_a_crash_between_two_batches_is_made_good(scheduler, fake_clock, install, nothing, monkeypatch):
    install("2098a", "CET-1")
    for number in range(5):
        scheduler.add_job(f"job{number}", nothing, trigger="cron", hour=9, timezone="Europe/Berlin")
    fake_clock.run_due()
    install("2098b", "CET-3")
    monkeypatch.setattr(rezoning, "BATCH", 2)
    database, whole = scheduler.core.database, rezoning._write

    def crash(tx, moves, now):
        if any(move.row.id == "job2" for move in moves):
            raise StoreUnavailable("gone")
        return whole(tx, moves, now)

    monkeypatch.setattr(rezoning, "_write", crash)
    with pytest.raises(StoreUnavailable):
        rezoning.adopt_rules(database, version="2098b", now=START)
    monkeypatch.setattr(rezoning, "_write", whole)
    assert rezoning.adopt_rules(database, version="2098b", now=START) == ["job2", "job3", "job4"]
    assert {job.next_run_time for job in scheduler.get_jobs()} == {START + timedelta(hours=6)}
    assert rezoning.adopt_rules(database, version="2098b", now=START) == []


def test_a_job_that_somebody_changed_meanwhile_is_left_to_them(daily, scheduler, install, monkeypatch):
    install("2098b", "CET-3")
    read = zoned.last_firing

    def slowly(tx, key):
        jobs.pause_job("job", reason=None, ctx=scheduler.core.ctx)
        return read(tx, key)

    monkeypatch.setattr(zoned, "last_firing", slowly)
    assert rezoning.adopt_rules(scheduler.core.database, version="2098b", now=START) == []
    assert scheduler.get_job("job").record.next_run_time == START + timedelta(hours=8)


@pytest.mark.parametrize("seed", mostly_slow(range(12), fast=3))
def test_every_day_has_its_one_firing_whatever_changes_and_whenever(
    scheduler, fake_clock, install, restart, watch, nothing, seed
):
    dice = random.Random(seed)
    install("2098a", f"XXX{dice.choice(['-1', '-2', '0', '1', '-0:30'])}")
    trigger = dice.choice(
        [
            {"type": "cron", "expression": f"{dice.randrange(60)} {dice.randrange(6, 18)} * * *"},
            {"type": "cron", "hour": dice.randrange(6, 18), "minute": dice.randrange(60)},
            {"type": "calendarinterval", "days": 1, "hour": dice.randrange(6, 18), "start_date": "2025-12-01"},
        ]
    ) | {"timezone": "Europe/Berlin"}
    scheduler.add_job("job", nothing, trigger=trigger)
    fake_clock.run_due()
    for version in ("2098b", "2098c"):
        move = fake_clock.advance if dice.random() < 0.5 else fake_clock.jump
        move(minutes=dice.randrange(1440))
        install(version, f"XXX{dice.choice(['-1', '-2', '0', '1', '-0:30'])}")
        restart()
    fake_clock.travel_to("2026-01-05T00:00:00Z")
    assert [run.scheduled_at.day for run in watch.runs("job")] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("version", "known", "newer"),
    [
        ("2026b", "2026a", True),
        ("2027a", "2026g", True),
        ("2026a", "2026a", False),
        ("2026a", "2026b", False),
        # what has no order: any other
        ("digest-1", "2026b", True),
        ("digest-1", "digest-1", False),
    ],
)
def test_which_rules_are_newer(version, known, newer):
    assert is_newer(version, known) is newer


def test_rules_of_a_folder_that_tells_no_version_are_known_by_their_digest(install, tmp_path):
    install("2098a", "CET-1")
    zoneinfo.reset_tzpath(to=[str(tmp_path / "2098aCET-1")])
    assert rules_version() == "2098a"
    (tmp_path / "bare" / "Europe").mkdir(parents=True)
    (tmp_path / "bare" / "Europe" / "Berlin").write_bytes(compiled("CET-1"))
    zoneinfo.reset_tzpath(to=[str(tmp_path / "bare")])
    assert rules_version().startswith("digest-")
    zoneinfo.reset_tzpath(to=[])
    assert rules_version()[:2] == "20"


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param({"next_run_time": "garbage"}, marks=pytest.mark.sqlite),
        pytest.param({"next_run_time": b"\x00"}, marks=pytest.mark.sqlite),
        {"next_run_time": 2**62},
        {"trigger": "[" * 100_000},
        {"trigger": '"a text"'},
        {"trigger": "[]"},
        {"trigger": '{"type": "cron", "expression": 7}'},
        pytest.param({"version": "garbage"}, marks=pytest.mark.sqlite),
    ],
    ids=["text", "bytes", "too far", "deep", "a text", "a list", "no expression", "version"],
)
def test_a_damaged_job_keeps_no_other_from_moving(daily, scheduler, fake_clock, install, restart, watch, damage):
    scheduler.add_job("damaged", "nothing", trigger="cron", expression="0 9 * * *", timezone="Europe/Berlin")
    columns = ", ".join(f"{name} = :{name}" for name in damage)
    statement = sa.text(f"UPDATE scheduler_jobs SET {columns} WHERE id = 'damaged'")
    scheduler.core.database.write(lambda tx: tx.execute(statement, damage))
    install("2098b", "CET-3")
    restart()
    fake_clock.advance(days=2)
    assert hours(watch) == [6, 30]
