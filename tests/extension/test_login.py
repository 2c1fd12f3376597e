"""The login of a user's app guards the API, by a function that gives a role."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask, Response, g, redirect, request, session
from flask.testing import FlaskClient

from scheduler_app import Scheduler
from scheduler_app.errors import ConfigurationError
from scheduler_app.extension import legacy
from scheduler_app.services.roles import RANKS
from tests.aps import work

V1 = "/scheduler/api/v1"


def role_of_user() -> str | None:
    return g.user and g.user["role"]


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Flask]:
    """An app whose users are loaded before each request, as in Flask's tutorial."""
    app = Flask(__name__, instance_path=str(tmp_path / "instance"))
    app.config |= {"SECRET_KEY": "x" * 32, "SCHEDULER_ENGINE": "off", "SCHEDULER_API_ENABLED": True}
    app.config["SCHEDULER_TASK_MODULES"] = "tests.aps"
    seen = app.extensions["seen"] = []

    @app.before_request
    def load_user() -> Response | None:
        seen.append((request.path, request.script_root))
        if request.headers.get("X-Blocked"):
            return redirect("/login")
        g.user = {"role": session["role"]} if "role" in session else None
        return None

    @app.post("/login/<role>")
    def login(role: str) -> str:
        session["role"] = role
        return "welcome"

    scheduler = Scheduler(app, role=role_of_user)
    scheduler.add_job("a", work.note, trigger="interval", minutes=5)
    yield app
    scheduler.core.close()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def test_who_is_signed_in_may_do_what_the_role_allows(client: FlaskClient):
    assert client.get(f"{V1}/jobs").status_code == 401
    client.post("/login/viewer")
    assert [job["id"] for job in client.get(f"{V1}/jobs").json["items"]] == ["a"]
    assert client.post(f"{V1}/jobs/a/pause").status_code == 403
    client.post("/login/operator")
    assert client.post(f"{V1}/jobs/a/pause").json["state"] == "paused"
    assert client.delete(f"{V1}/jobs/a").status_code == 403
    client.post("/login/admin")
    assert client.patch(f"{V1}/jobs/a", json={"name": "mine"}).json["name"] == "mine"
    assert client.delete(f"{V1}/jobs/a", headers={"Origin": "https://evil.example"}).status_code == 403
    assert client.delete(f"{V1}/jobs/a").status_code == 204


def test_the_function_sees_the_request_as_it_was_sent_and_the_api_its_body(app: Flask, client: FlaskClient):
    client.post("/login/admin")
    app.extensions["seen"].clear()
    body = {"task": "tests.aps.work:note", "args": [1]}
    answer = client.post(f"{V1}/jobs", json=body)
    assert answer.status_code == 202, answer.text
    assert app.extensions["seen"] == [(f"{V1}/jobs", "")]


def test_who_the_app_itself_turns_away_is_not_signed_in(client: FlaskClient):
    client.post("/login/admin")
    assert client.get(f"{V1}/jobs", headers={"X-Blocked": "1"}).status_code == 401


def test_keys_are_good_beside_the_login(app: Flask, client: FlaskClient):
    key = app.extensions["scheduler_core"].key_file.read_text().strip()
    assert client.get(f"{V1}/jobs", headers={"Authorization": f"Bearer {key}"}).status_code == 200


def test_a_login_that_gives_no_role_is_a_fault_that_opens_nothing(client: FlaskClient, caplog):
    client.post("/login/root")
    answer = client.get(f"{V1}/jobs")
    assert (answer.status_code, answer.json["code"]) == (500, "internal_error")
    assert "'root'; a role is one of" in caplog.text


def test_the_routes_of_flask_apscheduler_ask_the_login_too(client: FlaskClient):
    assert client.get("/scheduler/jobs").status_code == 401
    client.post("/login/viewer")
    assert client.get("/scheduler/jobs").status_code == 200
    refused = client.post("/scheduler/jobs/a/pause")
    assert (refused.status_code, refused.json["code"]) == (403, "forbidden")
    assert "needs the role operator" in refused.json["error_message"]
    client.post("/login/operator")
    assert client.post("/scheduler/jobs/a/pause").status_code == 200
    assert client.post("/scheduler/jobs/a/pause", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert client.delete("/scheduler/jobs/a").status_code == 403


def test_every_route_of_flask_apscheduler_states_its_role():
    assert {view.__name__ for _, _, view, _ in legacy.routes()} == legacy.NEEDS.keys()
    assert set(legacy.NEEDS.values()) <= set(RANKS)


@pytest.mark.parametrize("role", ["admin", 5])
def test_a_role_is_given_by_a_function(role: object):
    with pytest.raises(ConfigurationError, match="must be a function"):
        Scheduler(role=role)


def test_the_function_may_be_in_the_configuration_and_the_prefix_another(tmp_path: Path):
    app = Flask(__name__, instance_path=str(tmp_path))
    app.config |= {"SCHEDULER_ENGINE": "off", "SCHEDULER_ROLE": lambda: "viewer", "SCHEDULER_API_PREFIX": "/back/jobs"}
    scheduler = Scheduler(app)
    assert app.test_client().get("/back/jobs/api/v1/jobs").status_code == 200
    assert app.test_client().get(f"{V1}/jobs").status_code == 404
    scheduler.core.close()
