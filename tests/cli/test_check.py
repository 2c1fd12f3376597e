"""`check` tells every fault at once, each with its key and where it is from, or what is in force; changes nothing."""

import os
import socket
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scheduler_app.domain.task import default_registry
from tests.service.harness import Service

DEMO = "scheduler_app.app.demo"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder and environment; what is loaded here is forgotten again."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("SCHEDULER_")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(default_registry, "_tasks", {})
    monkeypatch.delitem(sys.modules, DEMO, raising=False)
    yield tmp_path
    for name in (DEMO, "mine", "bad"):
        sys.modules.pop(name, None)


def everything_in(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.stat().st_mtime_ns, path.stat().st_mode) for path in sorted(folder.rglob("*"))}


def test_without_faults_it_says_what_is_in_force_and_where_from(said, here: Path, monkeypatch):
    Path("mine.py").write_text("from scheduler_app import task\n@task(name='reports.send')\ndef send(): ...\n")
    Path("mine.toml").write_text('threads = 4\nhosts = ["jobs.example.org"]\n')
    monkeypatch.setenv("SCHEDULER_WEB_THREADS", "7")
    before = everything_in(here)
    status, out, err = said("check", "--config", "mine.toml", "--port", "0", "--tasks", "mine.py")
    assert (status, err) == (0, "")
    said_of = {line.split()[0]: line.split(maxsplit=1)[1] for line in out.splitlines() if line.startswith("  ")}
    assert said_of["threads"].split() == ["4", "file", "mine.toml"]
    assert said_of["web_threads"].split() == ["7", "environment", "SCHEDULER_WEB_THREADS"]
    assert said_of["port"].split() == ["0", "command", "line", "--port"]
    assert (
        said_of["hosts"]
        == '["jobs.example.org"]'.ljust(len(said_of["hosts"]) - len("file mine.toml")) + "file mine.toml"
    )
    assert said_of["engine"].split() == ['"auto"', "default"]
    assert f"SQLite {sqlite3.sqlite_version}" in out
    assert "tasks: demo.count, demo.flaky, reports.send" in out
    assert f"store {here}/data/scheduler.db: not there yet" in out
    assert everything_in(here) == before, "it changes nothing"


def test_a_file_of_settings_is_utf_8_wherever_it_is_read(here: Path):
    Path("mine.toml").write_text('# für alle\nhosts = ["bücher.example"]\n', encoding="utf-8")
    reads = "from pathlib import Path; from scheduler_app.settings import from_toml\n"
    reads += "print(ascii(from_toml(Path('mine.toml')).values))"
    plain = os.environ | {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    said = subprocess.run([sys.executable, "-c", reads], env=plain, capture_output=True, check=True, timeout=60)
    assert said.stdout == b"{'hosts': ['b\\xfccher.example']}\n"


def test_every_fault_is_told_at_once(said, here: Path, monkeypatch):
    Path("bad.py").write_text("import no_such_module\n")
    Path("mine.toml").write_text('thread = 3\nengine = "maybe"\nkeep_failed_days = -1\ndata = "file"\n')
    Path("file").write_text("")
    monkeypatch.setenv("SCHEDULER_WEB_THREADS", "many")
    monkeypatch.setenv("SCHEDULER_PROT", "9000")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        options = ("--config", "mine.toml", "--tasks", "bad.py", "--tasks", "absent.py", "--port", port)
        status, out, err = said("check", *options, "--database", "mysql://me:s3cret@host/db?password=s3cret")
    lines = [line.removeprefix("scheduler-app: ") for line in err.splitlines()]
    assert (status, out, len(lines)) == (1, "", 10)
    for words in (
        "thread (file mine.toml): there is no such setting; did you mean 'threads'?",
        "engine (file mine.toml): Input should be 'auto', 'on' or 'off', got 'maybe'; allowed: `auto`, `on`, `off`",
        "keep_failed_days (file mine.toml): Input should be greater than or equal to 0, got -1; allowed: a number "
        "from 0 to 36500, or `forever`",
        "web_threads (environment SCHEDULER_WEB_THREADS): Input should be a valid integer",
        "SCHEDULER_PROT (environment): there is no such setting; did you mean 'SCHEDULER_PORT'?",
        f"data (file mine.toml): {here}/file is a file; name a folder",
        "tasks (command line --tasks): bad.py: line 1: ModuleNotFoundError",
        "tasks (command line --tasks): absent.py: there is no such file",
        f"port (command line --port): {port} on 127.0.0.1: Address already in use",
        "database (command line --database): 'mysql://me:***@host/db",
    ):
        assert any(line.startswith(words) for line in lines), (words, lines)
    assert "s3cret" not in err


def test_a_password_is_never_shown(said):
    _, out, err = said(
        "check", "--port", "0", "--database", "postgresql+psycopg://me:s3cret@host/db?sslpassword=s3cret"
    )
    assert "s3cret" not in out + err
    assert "postgresql+psycopg://me:***@host/db" in err


def test_another_driver_of_sqlite_is_refused(said):
    _, _, err = said("check", "--port", "0", "--database", "sqlite+aiosqlite:///jobs.db")
    assert "the driver of 'sqlite+aiosqlite' is not supported; write sqlite:///" in err


@pytest.mark.parametrize(
    ("toml", "says"),
    [("threads = = 3", "config mine.toml: Invalid value (at line 1"), (None, "config mine.toml: No such file")],
)
def test_a_file_that_cannot_be_read_does_not_hide_the_other_faults(said, toml, says):
    if toml is not None:
        Path("mine.toml").write_text(toml)
    status, _, err = said("check", "--config", "mine.toml", "--port", "99999")
    assert status == 1
    assert says in err
    assert "port (command line --port): Input should be less than or equal to 65535, got 99999" in err


def test_the_store_of_a_service_that_runs(said, service: Service):
    before = sorted(service.data.iterdir())
    status, out, err = said("check", "--data", service.data, "--port", service.port)
    assert (status, out) == (1, "")
    assert f"port (command line --port): {service.port} on 127.0.0.1: Address already in use" in err
    status, out, _ = said("check", "--data", service.data, "--port", "0")
    assert status == 0
    assert f"store {service.data}/scheduler.db: schema 0" in out
    assert f"data folder {service.data}: 0700\n" in out
    assert sorted(service.data.iterdir()) == before


def test_permissions_that_let_others_read_are_told(said, here: Path):
    folder = here / "data"
    folder.mkdir()
    folder.chmod(0o755)
    (folder / "admin.key").write_text("key\n")
    (folder / "admin.key").chmod(0o644)
    status, out, _ = said("check", "--port", "0")
    assert status == 0
    assert f"{folder}: 0755; others than its owner can reach it" in out
    assert f"{folder}/admin.key: 0644; others than its owner can reach it" in out
    assert stat.S_IMODE(folder.stat().st_mode) == 0o755


@pytest.mark.parametrize(("version", "fine"), [("0001", True), ("9999", False)])
def test_a_store_of_another_version(said, here: Path, version, fine):
    Path("data").mkdir()
    store = sqlite3.connect("data/scheduler.db")
    store.execute("CREATE TABLE scheduler_version (version_num TEXT)")
    store.execute("INSERT INTO scheduler_version VALUES (?)", (version,))
    store.commit()
    store.close()
    status, out, err = said("check", "--port", "0")
    assert status == (0 if fine else 1)
    assert f"schema {version}" in out + err
    assert ("the next start brings it to" in out) == fine


def test_a_store_that_is_no_database(said):
    Path("data").mkdir()
    Path("data/scheduler.db").write_bytes(b"something else " * 1000)
    status, _, err = said("check", "--port", "0")
    assert status == 1
    assert "database (default): the store cannot be read: file is not a database" in err


def test_the_sqlite_fault_is_named_by_its_version(said, monkeypatch):
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 51, 2))
    assert "has the WAL-reset fault (fixed in 3.51.3)" in said("check", "--port", "0")[1]
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 51, 3))
    assert "without the WAL-reset fault" in said("check", "--port", "0")[1]


def test_a_broker_is_shown_without_its_password(said, monkeypatch):
    monkeypatch.setenv("SCHEDULER_BROKER", "redis://me:s3cret@broker.example:6379/0?password=s3cret")
    status, out, err = said("check", "--port", "0")
    assert (status, err) == (0, "")
    assert "broker redis://me:***@broker.example:6379/0" in out
    assert "s3cret" not in out
