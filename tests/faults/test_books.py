"""After kills, what is counted is what there is: the roll-ups are as right as the runs."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import postgres
from tests.faults.chaos import Chaos
from tests.faults.forms import SEED, form
from tests.service.harness import Service


@pytest.fixture(params=["sqlite", "postgresql"])
def survivor(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Service]:
    """A service that the test starts and kills, on either database."""
    if request.param == "sqlite":
        options = []
        yield from _service(tmp_path, options)
        return
    with postgres.running(durable=True) as server:
        yield from _service(tmp_path, ["--database", server.fresh()])


def _service(folder: Path, options: list[str]) -> Iterator[Service]:
    service = Service(folder, options=options)
    try:
        yield service
    finally:
        service.clean_up()


@pytest.mark.slow
def test_after_kills_the_roll_ups_count_the_runs(survivor: Service, capsys: pytest.CaptureFixture[str]) -> None:
    print(f"CHAOS_SEED={SEED}")
    chaos = Chaos(survivor, SEED)
    chaos.run(form(2, 100))
    chaos.drain(60.0)
    there: Counter[str] = Counter()
    for run in survivor.runs():
        there[run["state"]] += 1 if run["missed"] is None else run["missed"]["count"]

    for step in ("hour", "minute"):
        counted: Counter[str] = Counter()
        for item in survivor.get(f"/stats?step={step}")["items"]:
            counted.update(item["counts"])
        assert +counted == there, step
    for name in ("coalescing", "each", "beside"):
        strip = survivor.get(f"/jobs/{name}/stats")["strip"]
        ended = {run["id"]: run["state"] for run in survivor.runs(job_id=name)}
        assert len(strip) == min(90, len(ended))
        assert {mark["run_id"]: mark["state"] for mark in strip}.items() <= ended.items()
    assert survivor.run_command("audit") == 0
