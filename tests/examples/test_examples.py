"""The programs that the README shows: as printed there, and run by real servers."""

import difflib
from pathlib import Path

import httpx
import pytest

from tests.extension.conftest import Running, until
from tests.extension.conftest import serve as serve

HERE = Path(__file__).parent
README = (HERE.parent.parent / "README.md").read_text()
SHOWN = ["first.py", "blueprint_app.py", "old_app.py"]
IMPORTS = ("- from flask_apscheduler import APScheduler", "+ from scheduler_app import Scheduler as APScheduler")
RELOADING = ("flask", "--app", "old_app", "run", "--debug", "--port", "PORT")
GUNICORN = ("gunicorn", "-w", "3", "--preload", "-b", "127.0.0.1:PORT", "--no-control-socket")


@pytest.mark.parametrize("name", SHOWN)
def test_the_readme_shows_the_program_as_it_is(name: str):
    assert f"```python\n{(HERE / name).read_text()}```" in README


def test_an_old_app_is_moved_by_changing_one_import():
    before, after = ((HERE / name).read_text().splitlines() for name in ("old_app_before.py", "old_app.py"))
    changed = [line for line in difflib.ndiff(before, after) if line[0] in "+-"]
    assert changed == list(IMPORTS)
    assert "\n".join(IMPORTS) in README


def succeeded(running: Running, job_id: str) -> int:
    """How often a job has run."""
    return len(running.api(f"/jobs/{job_id}/runs?state=succeeded&limit=1000")["items"])


@pytest.mark.slow
def test_the_old_app_works_and_its_restart_is_no_conflict(serve, tmp_path: Path):
    (tmp_path / "old_app.py").write_text((HERE / "old_app.py").read_text())
    for start in range(2):
        running = serve("", *GUNICORN, "old_app:app")
        if start == 0:
            assert httpx.post(f"{running.url}/remind/ada", verify=False).json() == {"added": "ada"}
        jobs = {job["id"]: job for job in httpx.get(f"{running.url}/scheduler/jobs", verify=False).json()}
        assert sorted(jobs) == ["heartbeat", "nightly", "remind-ada", "startup"]
        assert jobs["heartbeat"]["max_instances"] == 3
        before = succeeded(running, "remind-ada")
        until(lambda: succeeded(running, "remind-ada") > before)  # noqa: B023 - called at once
        until(lambda: succeeded(running, "heartbeat") and succeeded(running, "startup"))  # noqa: B023
        refused = httpx.patch(f"{running.url}/scheduler/jobs/heartbeat", json={"trigger": "interval", "seconds": 5})
        assert "at SCHEDULER_JOBS[0]" in refused.json()["error_message"]
        running.process.terminate()
        running.process.wait(30)


@pytest.mark.slow
def test_tasks_and_routes_of_a_blueprint_work_under_gunicorn(serve, tmp_path: Path):
    (tmp_path / "blueprint_app.py").write_text((HERE / "blueprint_app.py").read_text())
    running = serve("", *GUNICORN, "blueprint_app:create_app()")
    answer = httpx.post(f"{running.url}/reports/7", verify=False)
    assert answer.status_code == 202
    run = until(lambda: (found := running.api(f"/runs/{answer.json()['run']}"))["state"] == "succeeded" and found)
    assert run["result"] == "report for 7"
    declared = running.api("/jobs/weekday-reports")
    assert declared["trigger"]["expression"] == "0 9 * * 1-5"


@pytest.mark.slow
def test_a_change_of_the_code_under_the_reloader_changes_the_declared_job_and_it_fires_once(serve, tmp_path: Path):
    program = (HERE / "old_app.py").read_text()
    (tmp_path / "old_app.py").write_text(program)
    running = serve("", *RELOADING)
    changed = program.replace('id="startup"', 'id="renewed"').replace("seconds=3", "seconds=1")
    (tmp_path / "old_app.py").write_text(changed)

    def renewed() -> list[dict]:
        try:
            return httpx.get(f"{running.url}/scheduler/jobs", verify=False).json()
        except (httpx.TransportError, ValueError):
            return []

    until(lambda: {"renewed", "heartbeat", "nightly"} == {job["id"] for job in renewed()}, 60)
    until(lambda: len(running.api("/jobs/renewed/runs")["items"]) >= 3)
    times = [run["scheduled_at"] for run in running.api("/jobs/renewed/runs")["items"]]
    assert len(set(times)) == len(times)
