"""In a user's app the pages are below the prefix: with our keys, or with the login of the app."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, session
from flask.testing import FlaskClient

from scheduler_app import Scheduler

TOKEN = re.compile(r'name="csrf_token" value="([^"]*)"')
Make = Callable[..., FlaskClient]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """A browser at an app with a Scheduler."""
    made: list[Scheduler] = []

    def make(role: Any = None, **config: Any) -> FlaskClient:
        app = Flask(__name__, instance_path=str(tmp_path / "instance"))
        app.config |= {"SECRET_KEY": "x" * 32, "SCHEDULER_ENGINE": "off", **config}
        app.add_url_rule("/be/<role>", "be", lambda role: session.update(role=role) or "", methods=["POST"])
        app.add_url_rule("/", "front", lambda: "the page of the app")
        made.append(Scheduler(app, role=role))
        made[-1].upgrade()  # as an engine does when the app is served
        return app.test_client()

    yield make
    for scheduler in made:
        scheduler.core.close()


def test_who_has_a_key_signs_in_below_the_prefix_and_the_app_is_left_alone(make: Make, tmp_path: Path):
    client = make()
    assert client.get("/scheduler/").location == "/scheduler/sign-in"
    form = client.get("/scheduler/sign-in")
    key = (tmp_path / "instance" / "admin.key").read_text().strip()
    answer = client.post("/scheduler/sign-in", data={"key": key, "csrf_token": TOKEN.findall(form.text)[0]})
    assert answer.location == "/scheduler/"
    assert "; Path=/scheduler; SameSite=Strict" in answer.headers["Set-Cookie"]
    assert client.get("/scheduler/").status_code == 200
    assert client.get("/scheduler/api/v1/jobs").status_code == 200
    assert client.get("/").text == "the page of the app"


def test_who_is_signed_in_to_the_app_needs_no_key(make: Make):
    client = make(role=lambda: session.get("role"))
    assert client.get("/scheduler/").status_code == 401
    assert client.get("/scheduler/sign-in").status_code == 404
    client.post("/be/viewer")
    assert client.get("/scheduler/").status_code == 200


def test_the_app_may_say_where_its_login_is(make: Make):
    client = make(role=lambda: session.get("role"), SCHEDULER_LOGIN_URL="/login")
    answer = client.get("/scheduler/?q=a%20b")
    assert (answer.status_code, answer.location) == (303, "/login?next=%2Fscheduler%2F%3Fq%3Da%2520b")
    assert client.get("/scheduler/api/v1/jobs").status_code == 401
