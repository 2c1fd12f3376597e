"""Failpoints do nothing unless the environment of the process names them."""

import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

import scheduler_app
from scheduler_app import failpoints
from scheduler_app.failpoints import POINTS, VARIABLE, failpoint, from_environment, parse
from scheduler_app.settings import KEYS
from scheduler_app.settings import from_environment as settings_from_environment

PACKAGE = Path(scheduler_app.__file__).parent
ROOT = PACKAGE.parent
PASS_TWICE = (
    "from scheduler_app.failpoints import failpoint\nfor n in (1, 2):\n    print(n, flush=True); failpoint('{}')"
)


def passed_twice(point: str, armed: str) -> "subprocess.CompletedProcess[str]":
    environ = {**os.environ, VARIABLE: armed}
    command = [sys.executable, "-c", PASS_TWICE.format(point)]
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=20)


def test_without_the_variable_there_is_nothing_at_any_place():
    assert from_environment({}) == from_environment({VARIABLE: ""}) == {}
    assert failpoints.ACTIONS == {}, "this process was not started to fail"
    for name in POINTS:
        failpoint(name)


def test_a_place_costs_less_than_a_microsecond():
    began = time.process_time()
    for _ in range(100_000):
        failpoint("run.before_start")
    assert (time.process_time() - began) / 100_000 < 1e-6


def test_every_place_in_the_code_is_known_and_every_known_place_is_in_the_code():
    code = "\n".join(path.read_text() for path in PACKAGE.rglob("*.py"))
    assert sorted(set(re.findall(r'failpoint\("([a-z_.]+)"\)', code))) == sorted(POINTS)


def test_only_the_environment_arms_them_and_no_setting_or_request_does():
    code = [path.read_text().splitlines() for path in PACKAGE.rglob("*.py") if path.name != "failpoints.py"]
    mentions = {line.strip() for lines in code for line in lines if "import" in line and "failpoints" in line}
    assert mentions == {"from scheduler_app.failpoints import failpoint"}
    assert "failpoints" not in KEYS
    assert settings_from_environment({VARIABLE: "fire.after_commit=kill"}).values == {}


def test_nobody_is_offered_them():
    told = [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "config").glob("*.*")]
    assert not [path.name for path in told if VARIABLE in path.read_text()]


def test_kill_ends_the_process_at_the_pass_that_was_named():
    ended = passed_twice("fire.after_commit", "claim.after_commit=kill;fire.after_commit=kill:2")
    assert (ended.returncode, ended.stdout) == (-signal.SIGKILL, "1\n2\n")
    assert ended.stderr == "failpoint fire.after_commit\n"


def test_error_is_the_driver_s_and_comes_as_often_as_was_named_and_again_the_same():
    def errors(text: str) -> list[int]:
        act, found = parse(text)["store.before_commit"], []
        for number in range(1000):
            try:
                act("store.before_commit")
            except sqlite3.OperationalError as error:
                assert str(error) == "failpoint store.before_commit"
                found.append(number)
        return found

    assert 150 < len(errors("store.before_commit=error:0.2")) < 250
    assert errors("store.before_commit=error:0.2:7") == errors("store.before_commit=error:0.2:7")
    assert errors("store.before_commit=error:0.2:7") != errors("store.before_commit=error:0.2:8")


def test_pause_takes_its_time():
    began = time.monotonic()
    parse("fire.after_commit=pause:0.1")["fire.after_commit"]("fire.after_commit")
    assert time.monotonic() - began >= 0.1


@pytest.mark.parametrize("text", ["fire.after_commit", "nowhere=kill", "fire.after_commit=explode"])
def test_a_process_that_is_told_to_fail_in_a_way_that_does_not_exist_does_not_start(text: str):
    with pytest.raises(ValueError, match="is no failpoint with an action"):
        parse(text)
