"""Several gunicorn workers on one SQLite file, by `create_app()` alone: equal, each replaceable at any moment."""

import os
import random
import secrets
import signal
import stat
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from tests.service.harness import COMMAND, PATIENCE, wait_until
from tests.service.workers import Gunicorn, begin_firing, end_firing, workers

pytestmark = pytest.mark.slow


@pytest.fixture(params=["", "--preload"], ids=["each loads the app", "preload"])
def gunicorn(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Gunicorn]:
    """Four workers, each with its engine."""
    with workers(tmp_path, options=request.param.split()) as service:
        wait_until(service.are_ready, within=PATIENCE, what="four engines")
        yield service


def audited(service: Gunicorn) -> str:
    """What the audit of the store says."""
    done = subprocess.run(
        [COMMAND, "audit", "--data", service.data], capture_output=True, text=True, timeout=60, check=False
    )
    return done.stdout


def killed(service: Gunicorn, pid: int) -> None:
    """Kill a worker, and wait until the arbiter has put another one in its place."""
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: len(service.workers()) == 4 and pid not in service.workers(), within=10.0)


def test_four_workers_share_the_firings_and_the_death_of_one_stalls_nothing_but_its_own_runs(
    gunicorn: Gunicorn,
) -> None:
    assert stat.S_IMODE(gunicorn.data.stat().st_mode) == 0o700
    assert stat.S_IMODE((gunicorn.data / "admin.key").stat().st_mode) == 0o600
    begin_firing(gunicorn)
    runs = [gunicorn.add("polite", kwargs={"seconds": 2}, max_retries=0) for _ in range(12)]
    wait_until(lambda: {mark.run for mark in gunicorn.marks("begin")} >= set(runs), within=10.0)
    victim = next(mark.pid for mark in gunicorn.marks("begin") if mark.run in runs)
    theirs = {mark.run for mark in gunicorn.marks("begin") if mark.pid == victim and mark.run in runs}
    at = time.monotonic()
    killed(gunicorn, victim)
    wait_until(lambda: {mark.run for mark in gunicorn.marks("begin") if mark.attempt == 2} >= theirs, within=5.0)
    wait_until(gunicorn.are_ready, within=10.0)
    for run in runs:
        assert gunicorn.ended(run)["state"] == "succeeded"
    firings = end_firing(gunicorn, kills=True)
    own = [run for run in firings if run["attempt"] == 1]
    assert len(own) >= len(firings) - 3, "the others went on"
    print("late by", max(run["lateness"] for run in own))
    assert max(run["lateness"] for run in own) < 1.0
    assert len({mark.pid for mark in gunicorn.marks("begin") if mark.at < at}) > 1
    assert "every promise is kept" in audited(gunicorn)
    assert gunicorn.stop() == 0
    assert "Traceback" not in gunicorn.said()


def test_workers_are_replaced_while_jobs_fire_and_nothing_is_lost_or_doubled(gunicorn: Gunicorn) -> None:
    """One more, a reload, one less, one more again, and one that is killed."""
    seed = secrets.randbits(32)
    print(f"seed {seed}")
    luck = random.Random(seed)
    begin_firing(gunicorn)
    for number in (signal.SIGTTIN, signal.SIGHUP, signal.SIGTTOU, signal.SIGTTIN):
        before = set(gunicorn.workers())
        gunicorn.signal(number)
        time.sleep(luck.uniform(0.0, 0.4))
        if number == signal.SIGHUP:
            wait_until(lambda before=before: not before & set(gunicorn.workers()), within=PATIENCE, what="replaced")
    wait_until(gunicorn.are_ready, within=PATIENCE)
    os.kill(luck.choice(gunicorn.workers()), signal.SIGKILL)
    wait_until(gunicorn.are_ready, within=PATIENCE)
    runs = end_firing(gunicorn, kills=True)
    rescued = [run for run in runs if run["crashes"]]
    assert {run["attempt"] for run in runs if run not in rescued} == {1}
    assert len(rescued) <= 4
    assert "every promise is kept" in audited(gunicorn)


def test_a_worker_that_has_answered_its_share_is_replaced_and_gives_its_work_back(tmp_path: Path) -> None:
    with workers(tmp_path, options=["--max-requests", "60", "--threads", "4"], workers=2) as service:
        wait_until(lambda: service.are_ready(2), within=PATIENCE)
        begin_firing(service)
        first = set(service.workers())

        def all_replaced() -> bool:
            with suppress(httpx.TransportError):
                httpx.get(f"{service.url}/healthz", verify=False)
            return not first & set(service.workers())

        wait_until(all_replaced, within=PATIENCE, what="every worker replaced")
        service.close_client()
        wait_until(service.is_ready, within=PATIENCE)
        assert {run["attempt"] for run in end_firing(service)} == {1}


@pytest.mark.parametrize("options", [[], ["--preload"]], ids=["each loads the app", "preload"])
def test_a_new_gunicorn_takes_over_from_the_old_one(tmp_path: Path, options: list[str]) -> None:
    with workers(tmp_path, options=options, workers=2) as service:
        wait_until(lambda: service.are_ready(2), within=PATIENCE)
        begin_firing(service)
        old = set(service.workers())
        service.signal(signal.SIGUSR2)
        wait_until(lambda: len(service.engines()) == 4, within=PATIENCE, what="both at work")
        arbiter = next(iter(set(service.workers()) - old))
        assert arbiter not in {row["pid"] for row in service.engines()}
        assert service.stop() == 0
        service.close_client()
        wait_until(lambda: len(service.engines()) == 2, within=10.0)
        runs = end_firing(service)
        assert {run["attempt"] for run in runs} == {1}
        assert not {row["pid"] for row in service.get("/scheduler")["engines"]} & {arbiter}


def is_there(pid: int) -> bool:
    """Whether a process lives; one that has ended may wait for its new parent to take note."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_workers_whose_arbiter_is_killed_end_too_and_what_they_did_goes_on_elsewhere(tmp_path: Path) -> None:
    with workers(tmp_path, workers=2) as service:
        wait_until(lambda: service.are_ready(2), within=PATIENCE)
        begin_firing(service)
        wait_until(lambda: service.marks("end"), within=10.0)
        orphans = service.workers()
        os.kill(service.pid, signal.SIGKILL)
        service.wait(5.0)
        wait_until(lambda: not any(map(is_there, orphans)), within=10.0, what="the workers ended")
        service.close_client()
        service.start(within=PATIENCE)
        assert {run["attempt"] for run in end_firing(service)} == {1}
        assert "every promise is kept" in audited(service)
