"""What keeps `serve` from starting is one clear line on standard error and exit status 1."""

import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from scheduler_app.cli import main
from tests.service.harness import COMMAND, Service

TASK = "from scheduler_app import task\n"
TWICE = f"{TASK}@task(name='x')\ndef a(): ...\n@task(name='x')\ndef b(): ...\n"
MISSPELT = f"{TASK}@task(timout=3)\ndef a(): ...\n"


def the_one_line(status: object, out: str, err: str) -> str:
    """Check how it ended, and return what it said."""
    assert (status, out) == (1, ""), err
    assert err.count("\n") == 1, err
    assert err.startswith("scheduler-app: ")
    return err


def refusal(folder: Path, *options: str) -> str:
    """Start it, expect that it will not, and return the one line that it said."""
    command = [str(COMMAND), "serve", "--port", "0", "--data", str(folder / "data"), *options]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=20, cwd=folder, start_new_session=True)
    return the_one_line(ended.returncode, ended.stdout, ended.stderr)


@pytest.fixture
def refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Return `refusal` within this process, for what is refused before anything is opened: a start costs a second."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "mine", raising=False)

    def refused(*options: str) -> str:
        monkeypatch.setattr(sys, "argv", ["scheduler-app", "serve", "--port", "0", "--data", "data", *options])
        with pytest.raises(SystemExit) as ended:
            main()
        return the_one_line(ended.value.code, *capsys.readouterr())

    return refused


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
def test_a_tasks_file_that_cannot_be_loaded(refused: Callable[..., str], content: str, says: str) -> None:
    Path("mine.py").write_text(content)
    line = refused("--tasks", "mine.py")
    assert says in line
    assert "mine.py" in line


def test_a_tasks_file_that_cannot_be_loaded_by_the_real_command(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("import no_such_module\n")
    assert "tasks mine.py: line 1: ModuleNotFoundError" in refusal(tmp_path, "--tasks", "mine.py")


def test_a_tasks_file_that_is_not_there(refused: Callable[..., str]) -> None:
    assert "no such file" in refused("--tasks", "absent.py")


def test_a_port_in_use(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"port {port} on 127.0.0.1: Address already in use" in refusal(tmp_path, "--port", str(port))


def test_a_port_that_cannot_be(refused: Callable[..., str]) -> None:
    assert "65535, got 99999" in refused("--port", "99999")


def test_a_misspelt_setting(refused: Callable[..., str]) -> None:
    Path("mine.toml").write_text("thread = 3\n")
    assert "did you mean 'threads'?" in refused("--config", "mine.toml")


def test_settings_that_are_no_toml(refused: Callable[..., str]) -> None:
    Path("mine.toml").write_text("threads = = 3\n")
    assert "line 1" in refused("--config", "mine.toml")


def test_a_file_in_place_of_the_data_folder(refused: Callable[..., str]) -> None:
    Path("data").write_text("")
    assert "cannot make this folder" in refused()


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
