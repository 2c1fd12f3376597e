"""The routes of Flask-APScheduler: its paths and shapes, without what was unsafe in them."""

import base64
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from flask import Flask, url_for
from flask.testing import FlaskClient
from flask_apscheduler.auth import HTTPBasicAuth

from scheduler_app import Scheduler
from scheduler_app.services import runs
from scheduler_app.services.trail import list_changes
from scheduler_app.store.runs import RunFilter
from scheduler_app.store.trail import TrailFilter
from tests.aps import work

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
JOB = {"id": "a", "func": "tests.aps.work:note", "trigger": "interval", "minutes": 10}


@pytest.fixture
def app(tmp_path: Path) -> Flask:
    return made(tmp_path, SCHEDULER_API_ENABLED=True)


def made(path: Path, **config: object) -> Flask:
    app = Flask(__name__, instance_path=str(path / "instance"))
    app.config |= {"SCHEDULER_ENGINE": "off", "SCHEDULER_TASK_MODULES": "tests.aps", "SCHEDULER_TIMEZONE": "UTC"}
    app.config |= config
    Scheduler(app)
    return app


@pytest.fixture
def client(app: Flask, scheduler, fake_clock) -> FlaskClient:
    return app.test_client()


def test_without_the_setting_there_are_no_such_routes(tmp_path: Path):
    client = made(tmp_path).test_client()
    assert client.get("/scheduler/jobs").json is None  # a page of that path
    assert client.post("/scheduler/jobs", json={}).status_code in (404, 405)


def test_they_and_version_1_are_served_under_one_prefix(client: FlaskClient):
    assert client.get("/scheduler/jobs").json == []
    assert client.get("/scheduler/api/v1/jobs").status_code == 401
    assert client.get("/scheduler/healthz").status_code == 200


def test_the_scheduler_tells_of_itself(client: FlaskClient, scheduler):
    told = client.get("/scheduler").json
    assert told == {"current_host": scheduler.host_name, "allowed_hosts": ["*"], "running": False}


def test_a_job_is_added_read_and_deleted_in_the_shape_that_clients_know(client: FlaskClient):
    added = client.post("/scheduler/jobs", json={**JOB, "args": [1]})
    assert added.status_code == 200
    assert added.json == {
        "id": "a",
        "name": "a",
        "func": "tests.aps.work:note",
        "args": [1],
        "kwargs": {},
        "trigger": "interval",
        "start_date": "2026-01-01T00:10:00+00:00",
        "minutes": 10,
        "misfire_grace_time": None,
        "max_instances": 1,
        "next_run_time": "2026-01-01T00:10:00+00:00",
    }
    assert client.get("/scheduler/jobs/a").json == added.json
    assert client.get("/scheduler/jobs").json == [added.json]
    assert client.delete("/scheduler/jobs/a").status_code == 204
    assert client.get("/scheduler/jobs/a").status_code == 404


def test_a_patch_changes_all_of_it_or_nothing_and_does_not_resume(client: FlaskClient):
    client.post("/scheduler/jobs", json=JOB)
    client.post("/scheduler/jobs/a/pause")
    refused = client.patch("/scheduler/jobs/a", json={"args": [5], "max_instances": 0})
    assert (refused.status_code, client.get("/scheduler/jobs/a").json["args"]) == (422, [])
    changed = client.patch("/scheduler/jobs/a", json={"args": [5], "trigger": "cron", "hour": 9}).json
    assert (changed["args"], changed["trigger"], changed["hour"]) == ([5], "cron", "9")
    assert changed["next_run_time"] is None, "it is still paused"
    assert client.post("/scheduler/jobs/a/resume").json["next_run_time"] == "2026-01-01T09:00:00+00:00"


def test_a_run_goes_through_the_executor_and_never_through_the_request(client: FlaskClient, scheduler, fake_clock):
    work.calls.clear()
    client.post("/scheduler/jobs", json=JOB)
    assert client.post("/scheduler/jobs/a/run").status_code == 200
    assert work.calls == []
    fake_clock.run_due()
    assert len(work.calls) == 1
    page = runs.list_runs(RunFilter(), after=None, limit=10, ctx=scheduler.core.ctx)
    assert [run.origin for run in page.runs] == ["manual"]


def test_the_scheduler_is_paused_and_resumed_for_all_processes(client: FlaskClient, scheduler, fake_clock):
    work.calls.clear()
    client.post("/scheduler/jobs", json=JOB)
    assert client.post("/scheduler/pause").status_code == 204
    fake_clock.advance(timedelta(hours=1))
    assert work.calls == []
    assert client.post("/scheduler/resume").status_code == 204
    fake_clock.advance(timedelta(minutes=10))
    assert len(work.calls) == 1


def test_it_is_started_and_shut_down(tmp_path: Path):
    app = made(tmp_path, SCHEDULER_API_ENABLED=True)
    client, scheduler = app.test_client(), app.extensions["scheduler"]
    assert client.post("/scheduler/shutdown").status_code == 400
    assert client.post("/scheduler/start").status_code == 204
    assert scheduler.running
    assert client.post("/scheduler/start").status_code == 400
    assert client.post("/scheduler/shutdown", json={"wait": False}).status_code == 204
    assert not scheduler.running
    scheduler.core.close()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"id": None}, 422),
        ({**JOB, "func": "os:system"}, 422),
        ({**JOB, "func": "tests.aps.work:os.system"}, 422),
        ({**JOB, "func": 7}, 422),
        ({**JOB, "func": ["x"]}, 422),
        ({**JOB, "trigger": "no-such"}, 422),
        ({**JOB, "trigger": 5}, 422),
        ({**JOB, "trigger": {"type": ["interval"]}}, 422),
        ({**JOB, "trigger": "and", "triggers": [1]}, 422),
        ({**JOB, "minutes": "often"}, 422),
        ({**JOB, "minutes": -1}, 422),
        ({**JOB, "timezone": 5}, 422),
        ({**JOB, "id": {"a": 1}}, 422),
        ({**JOB, "id": "no spaces"}, 422),
        ({**JOB, "name": 5}, 422),
        ({**JOB, "args": {"a": 1}}, 422),
        ({**JOB, "kwargs": {"unknown": 1}}, 422),
        ({**JOB, "executor": ["x"]}, 422),
        ({**JOB, "jobstore": "other"}, 422),
        ({**JOB, "next_run_time": 17}, 422),
        ({**JOB, "coalesce": "maybe"}, 422),
        ({**JOB, "": 1}, 422),
        ([1, 2], 400),
        ("text", 400),
    ],
    ids=str,
)
def test_what_is_wrong_is_refused_as_a_problem_with_the_message_of_old(client: FlaskClient, body, status: int):
    answer = client.post("/scheduler/jobs", json=body)
    assert (answer.status_code, answer.content_type) == (status, "application/problem+json")
    assert answer.json["error_message"] == answer.json["detail"]
    assert client.get("/scheduler/jobs").json == []


@pytest.mark.parametrize("raw", [b"{", b"\xff", b"[" * 50_000, b'{"a":' * 2000 + b"1" + b"}" * 2000])
def test_a_body_that_is_no_json_is_refused(client: FlaskClient, raw: bytes):
    answer = client.post("/scheduler/jobs", data=raw)
    assert (answer.status_code, answer.json["status"]) == (400, 400)


def test_a_body_that_is_too_large_is_refused(client: FlaskClient):
    assert client.post("/scheduler/jobs", data=b" " * 2_000_000).status_code == 413


def test_a_request_makes_no_module_be_imported(client: FlaskClient, tmp_path: Path, monkeypatch):
    sys.modules.pop("tests.aps.unloaded", None)
    answer = client.post("/scheduler/jobs", json={**JOB, "func": "tests.aps.unloaded:note"})
    assert (answer.status_code, "tests.aps.unloaded" in sys.modules) == (422, False)
    assert "not loaded" in answer.json["detail"]


def test_an_id_twice_is_409_and_one_that_is_not_there_404(client: FlaskClient):
    client.post("/scheduler/jobs", json=JOB)
    assert client.post("/scheduler/jobs", json=JOB).status_code == 409
    calls = [client.get, client.delete, client.patch]
    statuses = [call("/scheduler/jobs/b", **({"json": {}} if call == client.patch else {})) for call in calls]
    statuses += [client.post(f"/scheduler/jobs/b/{verb}") for verb in ("pause", "resume", "run")]
    assert [answer.status_code for answer in statuses] == [404] * 6


def test_a_page_of_another_site_may_change_nothing(client: FlaskClient):
    answer = client.post("/scheduler/jobs", json=JOB, headers={"Origin": "https://evil.example"})
    assert (answer.status_code, client.get("/scheduler/jobs").json) == (403, [])
    assert client.post("/scheduler/jobs", json=JOB, headers={"Origin": "http://localhost"}).status_code == 200


def test_one_job_that_cannot_be_shown_as_it_is_does_not_break_the_list(client: FlaskClient, scheduler, monkeypatch):
    client.post("/scheduler/jobs", json=JOB)
    monkeypatch.delattr(work, "note")
    (shown,) = client.get("/scheduler/jobs").json
    assert (shown["id"], shown["func"]) == ("a", "tests.aps.work:note")


def test_prefixes_may_be_chosen(tmp_path: Path):
    app = made(
        tmp_path,
        SCHEDULER_VIEWS_ENABLED=True,
        SCHEDULER_API_PREFIX="/tasks",
        SCHEDULER_ENDPOINT_PREFIX="mine.",
    )
    assert app.test_client().get("/tasks/jobs").json == []
    with app.test_request_context():
        assert url_for("mine.get_jobs") == "/tasks/jobs"
    app.extensions["scheduler_core"].close()


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("Basic " + base64.b64encode(b"me:secret").decode(), 200),
        ("Basic " + base64.b64encode(b"me:wrong").decode(), 401),
        ("Basic !!", 401),
        (None, 401),
    ],
)
def test_flask_apschedulers_own_authentication_works(tmp_path: Path, header: str | None, status: int):
    app = made(tmp_path, SCHEDULER_API_ENABLED=True, SCHEDULER_AUTH=HTTPBasicAuth())
    app.extensions["scheduler"].authenticate(lambda auth: auth["password"] == "secret")
    headers = {} if header is None else {"Authorization": header}
    assert app.test_client().get("/scheduler/jobs", headers=headers).status_code == status
    app.extensions["scheduler_core"].close()


@pytest.mark.parametrize(
    ("config", "who"),
    [
        ({}, "anyone"),
        ({"SCHEDULER_AUTH": HTTPBasicAuth()}, "me"),
        ({"SCHEDULER_ROLE": lambda: ("admin", "ada@example.org")}, "ada@example.org"),
        ({"SCHEDULER_ROLE": lambda: "admin"}, "login"),
    ],
)
def test_what_they_change_is_on_record_under_the_name_of_who_called(tmp_path: Path, config: dict, who: str):
    app = made(tmp_path, SCHEDULER_API_ENABLED=True, **config)
    scheduler = app.extensions["scheduler"]
    scheduler.authenticate(lambda auth: auth["password"] == "secret")
    client = app.test_client()
    headers = {"Authorization": "Basic " + base64.b64encode(b"me:secret").decode(), "X-Request-ID": "r-1"}
    for method, path, body in (
        ("POST", "/jobs", JOB),
        ("PATCH", "/jobs/a", {"minutes": 20, "trigger": "interval"}),
        ("POST", "/jobs/a/pause", None),
        ("POST", "/jobs/a/resume", None),
        ("POST", "/jobs/a/run", None),
        ("POST", "/pause", None),
        ("POST", "/resume", None),
        ("DELETE", "/jobs/a", None),
    ):
        answer = client.open(f"/scheduler{path}", method=method, json=body, headers=headers)
        assert answer.status_code < 300, answer.text
    with app.app_context():
        scheduler.add_job("b", JOB["func"], trigger="interval", minutes=1)
    page = list_changes(TrailFilter(), after=None, limit=100, keys_too=True, ctx=scheduler.core.ctx)
    assert {(entry.who, entry.request_id) for entry in page.entries[1:]} == {(who, "r-1")}
    assert [str(entry.what) for entry in reversed(page.entries)] == [
        *("job.created", "job.changed", "job.paused", "job.resumed", "job.run"),
        *("scheduler.paused", "scheduler.resumed", "job.deleted", "job.created"),
    ]
    assert page.entries[0].who == "code"
    app.extensions["scheduler_core"].close()
