"""The README names every method, key and route of the Flask-APScheduler that is installed, and what is here instead."""

import inspect
import re
from pathlib import Path

import pytest
from flask import Flask
from flask_apscheduler import APScheduler
from flask_apscheduler import scheduler as theirs

from scheduler_app import Scheduler

README = (Path(__file__).parent.parent.parent / "README.md").read_text()
SECTION = README[README.index("## Coming from Flask-APScheduler") : README.index("## Tasks")]
# what the first column of the tables names
NAMED = set(re.findall(r"`([^`]+)`", " ".join(row.split(" | ")[0] for row in SECTION.splitlines() if row[:1] == "|")))
SOURCE = inspect.getsource(theirs)
KEYS = sorted(set(re.findall(r'"(SCHEDULER_[A-Z_]+|JOBS)"', SOURCE)))
ATTRIBUTES = re.findall(r"self\.([a-z][a-z_]*) = ", inspect.getsource(APScheduler.__init__))
METHODS = sorted({name for name in vars(APScheduler) if not name.startswith("_")} | set(ATTRIBUTES))


def routes(make: type[APScheduler], path: Path) -> set[str]:
    """The routes that an app has by a scheduler."""
    app = Flask(__name__, instance_path=str(path))
    app.config |= {"SCHEDULER_API_ENABLED": True}
    make().init_app(app)
    rules = [rule for rule in app.url_map.iter_rules() if rule.rule.startswith("/scheduler")]
    return {f"{method} {rule.rule}" for rule in rules for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}}


@pytest.mark.parametrize("name", METHODS)
def test_every_method_and_attribute_is_in_the_table_and_in_our_class(name: str):
    assert name in NAMED
    assert hasattr(Scheduler, name) or name in vars(Scheduler())


def test_every_key_of_the_configuration_is_in_the_table():
    assert len(KEYS) == 12
    assert [key for key in KEYS if key not in NAMED] == []


def test_every_route_is_in_the_table_and_served(tmp_path: Path):
    there = routes(APScheduler, tmp_path)
    assert len(there) == 13
    assert [route for route in sorted(there) if route not in NAMED] == []
    assert routes(Scheduler, tmp_path) == there


def test_the_login_that_the_readme_shows_works_as_printed(tmp_path: Path):
    shown = re.search(r"<!-- login -->\n```python\n(.*?)```", README, re.S)
    assert shown is not None
    program = f"""
from flask import Flask
from flask_login import LoginManager, UserMixin, login_user
from scheduler_app import Scheduler
{shown[1]}

class User(UserMixin):
    def __init__(self, role):
        self.id = self.role = role

app = Flask(__name__, instance_path={str(tmp_path)!r})
app.config |= {{"SECRET_KEY": "x" * 32, "SCHEDULER_ENGINE": "off"}}
login = LoginManager(app)
login.user_loader(User)
scheduler.init_app(app)

@app.post("/login/<role>")
def sign_in(role):
    login_user(User(role))
    return "welcome"
"""
    names: dict = {"__name__": __name__}
    exec(compile(program, "app.py", "exec"), names)
    client = names["app"].test_client()
    assert client.get("/scheduler/api/v1/jobs").status_code == 401
    for role, status in (("viewer", 403), ("operator", 200), ("admin", 200)):
        client.post(f"/login/{role}")
        assert client.get("/scheduler/api/v1/jobs").status_code == 200
        assert client.post("/scheduler/api/v1/scheduler/pause").status_code == status
    names["scheduler"].core.close()
