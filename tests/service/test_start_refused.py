"""What keeps `serve` from starting is one clear line on standard error and exit status 1."""

import socket
import sqlite3
import subprocess
from pathlib import Path

import pytest

from tests.service.harness import COMMAND, Service

TASK = "from scheduler_app import task\n"
TWICE = f"{TASK}@task(name='x')\ndef a(): ...\n@task(name='x')\ndef b(): ...\n"
MISSPELT = f"{TASK}@task(timout=3)\ndef a(): ...\n"


def refusal(folder: Path, *options: str) -> str:
    """Start it, expect that it will not, and return the one line that it said."""
    command = [str(COMMAND), "serve", "--port", "0", "--data", str(folder / "data"), *options]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=20, cwd=folder, start_new_session=True)
    assert (ended.returncode, ended.stdout) == (1, ""), ended.stderr
    assert ended.stderr.count("\n") == 1, ended.stderr
    assert ended.stderr.startswith("scheduler-app: ")
    return ended.stderr


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("def x(:\n", "line 1: SyntaxError"),
        ("x = '\0'", "SyntaxError"),
        ("\nimport no_such_module\n", "line 2: ModuleNotFoundError: No module named 'no_such_module'"),
        ("raise ValueError('several\\nlines')\n", "line 1: ValueError: several lines"),
        ("import sys\nsys.exit(0)\n", "line 2: SystemExit"),
        (TWICE, "two functions are registered as task 'x'"),
        (MISSPELT, "did you mean timeout?"),
    ],
    ids=["syntax", "null byte", "import", "exception", "exit", "same name twice", "misspelt policy"],
)
def test_a_tasks_file_that_cannot_be_loaded(tmp_path: Path, content: str, says: str) -> None:
    (tmp_path / "mine.py").write_text(content)
    line = refusal(tmp_path, "--tasks", "mine.py")
    assert says in line
    assert "mine.py" in line


def test_a_tasks_file_that_is_not_there(tmp_path: Path) -> None:
    assert "no such file" in refusal(tmp_path, "--tasks", "absent.py")


def test_a_port_in_use(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"port {port} on 127.0.0.1: Address already in use" in refusal(tmp_path, "--port", str(port))


def test_a_port_that_cannot_be(tmp_path: Path) -> None:
    assert "65535, got 99999" in refusal(tmp_path, "--port", "99999")


def test_a_misspelt_setting(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text("thread = 3\n")
    assert "did you mean 'threads'?" in refusal(tmp_path, "--config", "mine.toml")


def test_settings_that_are_no_toml(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text("threads = = 3\n")
    assert "line 1" in refusal(tmp_path, "--config", "mine.toml")


def test_a_file_in_place_of_the_data_folder(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    assert "cannot make this folder" in refusal(tmp_path)


def test_a_store_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "scheduler.db").write_bytes(b"something else " * 1000)
    assert "file is not a database" in refusal(tmp_path)


def test_a_store_of_a_newer_version(stopped: Service) -> None:
    stopped.start()
    assert stopped.stop() == 0
    store = sqlite3.connect(stopped.data / "scheduler.db")
    store.execute("UPDATE scheduler_version SET version_num = '9999'")
    store.commit()
    store.close()
    assert "the store has schema 9999" in refusal(stopped.folder)
