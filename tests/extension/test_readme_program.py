"""The program that the README opens with, as printed, under every server that it names."""

import re
from pathlib import Path

import httpx
import pytest

from tests.extension.conftest import Running, until

README = (Path(__file__).parent.parent.parent / "README.md").read_text()
PROGRAM = re.search(r"```python\n(.*?)```", README, re.S)[1]

UWSGI = (
    "uwsgi",
    "--http-socket",
    "127.0.0.1:PORT",
    "--module",
    "app:app",
    "--need-app",
    "--master",
    "--processes",
    "2",
)
SERVERS = {
    "flask run": ("flask", "run", "--port", "PORT"),
    "flask run --debug": ("flask", "run", "--debug", "--port", "PORT"),
    "gunicorn": ("gunicorn", "-w", "2", "-b", "127.0.0.1:PORT", "--no-control-socket", "app:app"),
    "gunicorn --preload": (
        *("gunicorn", "-w", "2", "--preload", "-b", "127.0.0.1:PORT", "--no-control-socket"),
        "app:app",
    ),
    "uwsgi": (*UWSGI, "--enable-threads"),
    "uwsgi --lazy-apps": (*UWSGI, "--threads", "4", "--lazy-apps"),
}
EVERY_SECOND = """
@scheduler.task
def tick() -> None:
    pass

@app.post("/tick")
def add():
    return {"id": scheduler.add_job("tick", tick, trigger="interval", seconds=1).id}, 201
"""


@pytest.fixture(params=SERVERS, ids=list(SERVERS))
def running(request: pytest.FixtureRequest, serve) -> Running:
    return serve(PROGRAM + EVERY_SECOND, *SERVERS[request.param])


def test_the_view_answers_at_once_and_the_work_is_done_in_the_background(running: Running):
    answer = httpx.post(f"{running.url}/crunch", verify=False)
    assert answer.status_code == 202
    assert answer.elapsed.total_seconds() < 0.45, "the task takes 0.5 s"
    run = answer.json()["run"]
    ended = until(lambda: (found := running.api(f"/runs/{run}"))["state"] == "succeeded" and found)
    assert ended["result"] == "5 steps done"
    assert ended["progress"] == {"current": 5.0, "total": 5.0, "message": None}


@pytest.mark.slow
def test_each_firing_of_a_job_happens_once(running: Running):
    assert httpx.post(f"{running.url}/tick", verify=False).status_code == 201
    until(lambda: len(running.api("/jobs/tick/runs")["items"]) >= 4)
    runs = running.api("/jobs/tick/runs?limit=1000")["items"]
    times = [run["scheduled_at"] for run in runs]
    assert len(set(times)) == len(times)
    assert {run["state"] for run in runs} <= {"succeeded", "running", "queued"}
    assert {run["attempt"] for run in runs if run["state"] == "succeeded"} == {1}


@pytest.mark.slow
def test_uwsgi_without_threads_is_refused_with_what_to_do(serve, tmp_path: Path):
    with pytest.raises(AssertionError, match="ended"):
        serve(PROGRAM, *UWSGI)
    assert "start it with --enable-threads" in (tmp_path / "server.log").read_text(errors="replace")
