"""What simulated time reaches, by whatever name a task asks for it, and that nothing of it is left."""

import asyncio
import datetime as dt
import logging
import threading
import time
from datetime import date, datetime, timedelta
from time import sleep as doze
from time import time as seconds_since_1970

import pytest
import sqlalchemy as sa

from scheduler_app import current_run
from scheduler_app.errors import WaitTimeout
from scheduler_app.testing import BlockingSleepWarning
from scheduler_app.testing.clock import START, FakeClock

AT = START + timedelta(days=100, hours=6)
REAL = (time.sleep, doze, asyncio.new_event_loop, asyncio.events.new_event_loop)
notes = sa.Table(
    "notes",
    sa.MetaData(),
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("at", sa.DateTime, default=datetime.utcnow),
)
WAYS = {
    "datetime.now": lambda: datetime.now(dt.UTC),
    "datetime.utcnow": lambda: datetime.utcnow().replace(tzinfo=dt.UTC),
    "datetime of the module": lambda: dt.datetime.now(dt.UTC),
    "datetime without a zone": lambda: datetime.now().astimezone(dt.UTC),
    "date.today": lambda: datetime.combine(date.today(), datetime.now().time()).astimezone(dt.UTC),
    "time.time": lambda: datetime.fromtimestamp(time.time(), dt.UTC),
    "time imported by name": lambda: datetime.fromtimestamp(seconds_since_1970(), dt.UTC),
    "time.time_ns": lambda: datetime.fromtimestamp(time.time_ns() / 1e9, dt.UTC),
    "time.gmtime": lambda: datetime(*time.gmtime()[:6], tzinfo=dt.UTC),
    "a log record": lambda: datetime.fromtimestamp(logging.makeLogRecord({}).created, dt.UTC),
    "another thread": lambda: in_thread(lambda: datetime.now(dt.UTC)),
    "a default of SQLAlchemy": lambda: defaulted().replace(tzinfo=dt.UTC),
}


def in_thread(work):
    found = []
    thread = threading.Thread(target=lambda: found.append(work()))
    thread.start()
    thread.join()
    return found[0]


def defaulted() -> datetime:
    engine = sa.create_engine("sqlite://")
    with engine.begin() as tx:
        notes.create(tx)
        tx.execute(notes.insert())
        found = tx.execute(sa.select(notes.c.at)).scalar_one()
    engine.dispose()
    return found


@pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")
def test_a_task_sees_the_simulated_time_by_whatever_name(scheduler, fake_clock, drain):
    seen = {}

    @scheduler.task
    def look() -> None:
        seen.update({way: ask() for way, ask in WAYS.items()})

    scheduler.add_job("look", look, trigger="date", run_date=AT)
    fake_clock.advance(days=200)
    assert seen == dict.fromkeys(WAYS, AT)


def test_what_a_task_logs_has_the_simulated_time(scheduler, fake_clock, caplog):
    @scheduler.task
    def speak() -> None:
        logging.getLogger("spoken").warning("hello")

    scheduler.add_job("speak", speak, trigger="date", run_date=AT)
    fake_clock.advance(days=200)
    assert [record.created for record in caplog.records if record.name == "spoken"] == [AT.timestamp()]


def test_nothing_is_left_of_it():
    assert (time.sleep, doze, asyncio.new_event_loop, asyncio.events.new_event_loop) == REAL
    assert abs(datetime.now(dt.UTC) - START) > timedelta(days=30)
    assert abs(seconds_since_1970() - datetime.now(dt.UTC).timestamp()) < 60


@pytest.mark.parametrize("sleep", [lambda: time.sleep(3600), lambda: doze(3600)], ids=["time.sleep", "by name"])
def test_a_task_that_sleeps_is_warned_and_takes_no_time(scheduler, fake_clock, drain, sleep):
    @scheduler.task
    def nap() -> float:
        began = datetime.now(dt.UTC)
        sleep()
        return (datetime.now(dt.UTC) - began).total_seconds()

    nap.delay()
    real = time.monotonic()
    with pytest.warns(BlockingSleepWarning, match=r"task nap called time.sleep\(3600\).*current_run.sleep") as told:
        assert [run.result for run in drain()] == [3600]
    assert time.monotonic() - real < 600
    assert told[0].filename == __file__


def test_a_blocking_sleep_outlives_its_timeout_as_a_thread_does(scheduler, fake_clock, drain):
    @scheduler.task(timeout=60)
    def nap() -> None:
        time.sleep(3600)

    run = nap.delay()
    with pytest.warns(BlockingSleepWarning):
        drain()
    assert (run.state, run.run.duration) == ("timed_out", 60)
    assert fake_clock.now() == START + timedelta(hours=1)


def test_a_sleep_outside_of_tasks_sleeps(fake_clock):
    before, real = fake_clock.now(), time.monotonic()
    time.sleep(0.01)
    assert time.monotonic() - real >= 0.01
    assert fake_clock.now() == before


def test_what_a_task_runs_by_asyncio_is_simulated_too(scheduler, fake_clock, drain):
    async def nap() -> str:
        await asyncio.sleep(3600)
        return "slept"

    @scheduler.task
    def run_it() -> str:
        return asyncio.run(nap())

    run_it.delay()
    assert [(run.result, run.duration) for run in drain()] == [("slept", 3600)]


def test_an_event_loop_outside_of_tasks_is_a_real_one(fake_clock):
    before = fake_clock.now()
    asyncio.run(asyncio.sleep(0.001))
    assert fake_clock.now() == before


def test_a_wait_for_a_run_lets_it_run(scheduler, fake_clock):
    @scheduler.task
    def work() -> str:
        current_run.sleep(30)
        return "done"

    assert work.delay().wait(timeout=5).result == "done"
    assert work.delay_until(fake_clock.now() + timedelta(seconds=2)).wait(timeout=5).result == "done"


def test_a_wait_goes_from_one_thing_that_is_due_to_the_next(scheduler, fake_clock, monkeypatch):
    @scheduler.task
    def work() -> str:
        return "done"

    looks = []
    look = FakeClock.linger
    monkeypatch.setattr(FakeClock, "linger", lambda clock, most: (looks.append(most), look(clock, most)))
    work.every(hours=3)
    assert work.delay_until(START + timedelta(hours=10)).wait(timeout=86400).result == "done"
    assert (len(looks), fake_clock.now()) == (4, START + timedelta(hours=10))
    with pytest.raises(WaitTimeout, match="after 3600 s"):
        work.delay_until(START + timedelta(days=2)).wait(timeout=3600)
    assert fake_clock.now() == START + timedelta(hours=11)


def test_an_engine_is_not_started_on_simulated_time(scheduler, fake_clock):
    scheduler.start()
    assert not scheduler.running
    scheduler.shutdown()
    assert fake_clock.advance(days=1) == START + timedelta(days=1)


@pytest.mark.parametrize("way", ["advance", "advance_async"])
def test_in_an_async_test_async_tasks_run_on_simulated_time(scheduler, fake_clock, assert_ran, way):
    @scheduler.task
    async def nap() -> str:
        await asyncio.sleep(3600)
        return "slept"

    async def test() -> list[str]:
        ticks, stop = [], asyncio.Event()

        async def tick() -> None:
            while not stop.is_set():
                ticks.append("tick")
                await asyncio.sleep(0.001)

        ticking = asyncio.create_task(tick())
        nap.delay()
        if way == "advance":
            fake_clock.advance(hours=2)
        else:
            await fake_clock.advance_async(hours=2)
            await fake_clock.travel_to_async(START + timedelta(hours=3))
        stop.set()
        await ticking
        return ticks

    ticks = asyncio.run(test())
    assert bool(ticks) is (way == "advance_async"), "the loop of the test goes on meanwhile"
    assert assert_ran(nap)[0].duration == 3600
