"""`/readyz` tells the truth: about a pass that hangs, a thread that has ended, a store that is gone."""

import time
from pathlib import Path

import httpx
import pytest

from tests.service.harness import Service, serving, wait_until

SICK_TASKS = str(Path(__file__).with_name("sick_tasks.py"))


def checks(service: Service) -> dict:
    """What /readyz is judged by; nothing when all is well."""
    answer = httpx.get(f"{service.url}/readyz", timeout=5.0, verify=False)
    body = answer.json()
    assert (answer.status_code == 200) is body["ready"]
    return {name: said for name, said in body["checks"].items() if said is not True}


@pytest.mark.slow
@pytest.mark.long
def test_a_pass_that_hangs_is_told_within_thirty_seconds_and_forgotten_when_it_goes_on(tmp_path: Path) -> None:
    with serving(tmp_path, options=["--tasks", SICK_TASKS]) as service:
        assert checks(service) == {}
        sick = tmp_path / "sick"
        sick.write_text("hang")
        began = time.monotonic()
        wait_until(lambda: checks(service), within=30.0)
        assert "hangs" in checks(service)["pass"]
        assert 15.0 < time.monotonic() - began < 30.0
        engine = service.get("/scheduler")["engines"][0]
        assert engine["beat_at"] > engine["last_pass_at"], "the others see it too"
        sick.unlink()
        wait_until(service.is_ready, within=5.0)


@pytest.mark.slow
def test_a_thread_that_has_ended_is_told_at_once(tmp_path: Path) -> None:
    with serving(tmp_path, options=["--tasks", SICK_TASKS]) as service:
        (tmp_path / "sick").write_text("die")
        wait_until(lambda: checks(service), within=5.0)
        assert checks(service) == {"engine": "a thread of it has ended", "follower": "its thread has ended"}


def test_a_store_that_is_damaged_is_told(service: Service) -> None:
    with (service.data / "scheduler.db").open("r+b") as file:
        file.write(b"no database any more" * 400)
    (service.data / "scheduler.db-wal").unlink()
    wait_until(lambda: "database" in checks(service), within=10.0)


@pytest.mark.slow
def test_four_stuck_threads_turn_it_red_until_they_are_free(tmp_path: Path) -> None:
    with serving(tmp_path) as service:
        runs = [service.add("deaf", kwargs={"seconds": seconds}, timeout=0.2) for seconds in (9, 9, 9, 14)]
        assert {service.ended(run)["state"] for run in runs} == {"timed_out"}
        assert service.is_ready(), "some seconds are left to them"
        wait_until(lambda: "4 threads are stuck" in checks(service).get("slots", ""), within=8.0)

        def stuck() -> int:
            return service.get("/scheduler")["engines"][0]["executors"]["thread"]["stuck"]

        wait_until(lambda: stuck() == 4, within=3.0)
        wait_until(service.is_ready, within=10.0)
        wait_until(lambda: stuck() == 1, within=3.0)
