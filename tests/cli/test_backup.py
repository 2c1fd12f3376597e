"""A copy of a store in use: whole, of one moment, for its owner alone, and never in the place of another file."""

import json
import os
import re
import signal
import sqlite3
import subprocess
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from scheduler_app.store import backup
from scheduler_app.store.schema import HEAD
from tests.service.harness import COMMAND, Service, wait_until
from tests.service.workers import begin_firing

README = (Path(__file__).parent.parent.parent / "README.md").read_text()


def command(*words: object, cwd: Path | None = None) -> "subprocess.CompletedProcess[str]":
    """Run a command of ours."""
    line = [str(COMMAND), *map(str, words)]
    return subprocess.run(line, capture_output=True, text=True, timeout=60, check=False, cwd=cwd)


@pytest.fixture
def store(said, tmp_path: Path) -> Path:
    """A store that nobody uses."""
    data = tmp_path / "data"
    data.mkdir()
    with closing(sqlite3.connect(data / "scheduler.db")) as file:
        file.execute("PRAGMA journal_mode = WAL")
        file.executescript(
            f"CREATE TABLE scheduler_version (version_num TEXT); INSERT INTO scheduler_version VALUES ('{HEAD}');"
            "CREATE TABLE scheduler_jobs (key INTEGER); CREATE TABLE scheduler_runs (id INTEGER, text BLOB);"
        )
    return data


def test_a_store_that_nobody_uses_is_copied_without_a_trace(said, store: Path, tmp_path: Path) -> None:
    before = {path.name: path.read_bytes() for path in store.iterdir()}
    target = tmp_path / "copy.db"
    status, out, err = said("backup", target, "--data", store)
    assert (status, err) == (0, "")
    assert out == f"{target}: 0.0 MB, schema {HEAD}, 0 jobs, 0 runs, checked\n"
    assert target.stat().st_mode & 0o777 == 0o600
    assert {path.name: path.read_bytes() for path in store.iterdir()} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy.db", "data"]


def test_a_file_that_is_there_is_kept_unless_it_is_to_be_replaced(said, store: Path, tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    target.write_text("precious")
    status, _, err = said("backup", target, "--data", store)
    assert (status, err) == (
        1,
        f"scheduler-app: {target} is there already; name another file, or say --force to replace it\n",
    )
    assert target.read_text() == "precious"
    status, _, _ = said("backup", target, "--data", store, "--force")
    assert (status, target.read_bytes()[:13]) == (0, b"SQLite format")
    assert target.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("end", ["", "-wal", "-shm", ".gate"])
def test_the_files_of_the_store_itself_are_never_replaced(said, store: Path, end: str) -> None:
    before = (store / "scheduler.db").read_bytes()
    status, _, err = said("backup", store / f"scheduler.db{end}", "--data", store, "--force")
    assert (status, err.count("belongs to the store itself")) == (1, 1)
    assert (store / "scheduler.db").read_bytes() == before


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("no/folder/copy.db",), "no/folder/copy.db cannot be written: No such file or directory"),
        (("copy.db", "--data", "elsewhere"), "there is no store at"),
        (("copy.db", "--data", "wrong"), "it is no store, nothing was kept"),
        (("copy.db", "--data", "damaged"), "the store cannot be read"),
        ((), "Missing argument 'FILE'"),
    ],
    ids=["no folder", "no store", "another database", "no database", "no file"],
)
def test_what_cannot_be_copied_is_one_line_and_leaves_nothing(said, store, tmp_path, monkeypatch, words, says) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("wrong", "damaged"):
        (tmp_path / name).mkdir()
    with closing(sqlite3.connect(tmp_path / "wrong" / "scheduler.db")) as file:
        file.execute("CREATE TABLE other (id INTEGER)")
    (tmp_path / "damaged" / "scheduler.db").write_bytes(b"nothing of the kind" * 1000)
    status, out, err = said("backup", *words, *(() if "--data" in words else ("--data", store)))
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert says in err
    assert not list(tmp_path.glob("copy*"))


def test_a_large_copy_tells_how_far_it_is(said, store: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(store / "scheduler.db")) as file:
        file.execute("INSERT INTO scheduler_runs VALUES (1, zeroblob(45000000))")
        file.commit()
    status, out, err = said("backup", tmp_path / "copy.db", "--data", store)
    assert (status, "1 runs" in out) == (0, True)
    assert re.findall(r"^(\d+) % of \d+ pages$", err, re.M)[-1] == "100"


def test_a_copy_is_of_one_moment_while_others_write(store: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(backup, "PAGES_AT_ONCE", 20)
    with closing(sqlite3.connect(store / "scheduler.db", isolation_level=None)) as file:
        file.executemany("INSERT INTO scheduler_runs VALUES (?, zeroblob(3000))", [(number,) for number in range(500)])

        def write(_done: int, _pages: int) -> None:
            file.execute("INSERT INTO scheduler_jobs VALUES (1)")
            file.execute("DELETE FROM scheduler_runs WHERE id = (SELECT max(id) FROM scheduler_runs)")

        copy = backup.back_up(store / "scheduler.db", tmp_path / "copy.db", replace=False, progress=write)
    assert (copy.jobs, copy.runs) == (0, 500)


@pytest.mark.slow
def test_a_live_store_is_copied_and_the_copy_takes_its_place(service: Service) -> None:
    begin_firing(service)
    runs = {
        kind: service.add("polite", kwargs={"seconds": 60}, delivery=kind) for kind in ("at_least_once", "at_most_once")
    }
    for run in runs.values():
        service.in_state(run, "running")
    done = command("backup", "backup.db", cwd=service.folder)
    assert (done.returncode, done.stderr) == (0, "")
    wait_until(lambda: len(service.marks("end")) > 8, within=20.0, what="more is done after the copy")
    service.close_client()
    service.kill()
    restore = re.search(r"<!-- restore -->\n```sh\n(.*?)```", README, re.S)
    assert restore is not None
    subprocess.run(["bash", "-euc", restore[1]], cwd=service.folder, check=True, timeout=10)
    assert (service.data / "scheduler.db").stat().st_mode & 0o777 == 0o600
    service.start()
    wait_until(lambda: service.run(runs["at_least_once"])["attempt"] == 2, within=10.0, what="rescued")
    assert service.run(runs["at_most_once"])["state"] == "lost"
    service.post("/jobs/tick/pause")
    firings = Counter(run["scheduled_at"] for run in service.runs(job_id="tick"))
    assert set(firings.values()) == {1}
    states = [engine["state"] for engine in service.get("/scheduler")["engines"]]
    assert states == ["running", "dead"]
    assert json.loads(command("audit", "--json", cwd=service.folder).stdout)["breaches"] == []


@pytest.mark.slow
def test_a_copy_that_is_killed_half_way_leaves_the_place_free(service: Service) -> None:
    with closing(sqlite3.connect(service.data / "scheduler.db")) as file:
        file.execute("CREATE TABLE filler AS SELECT zeroblob(60000000) AS text")
        file.commit()
    words = [str(COMMAND), "backup", "backup.db"]
    process = subprocess.Popen(words, cwd=service.folder, stderr=subprocess.PIPE, start_new_session=True)
    with process:
        assert process.stderr is not None
        assert b"10 %" in process.stderr.readline()
        os.kill(process.pid, signal.SIGKILL)
    assert not (service.folder / "backup.db").exists()
    assert command("backup", "backup.db", cwd=service.folder).returncode == 0
    assert service.run_now("work")["state"] == "succeeded"
