"""Pages over a real SQLite file, with a clock that stands: read by a client, or by a browser."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from scheduler_app.store import keys
from scheduler_app.store.database import Database
from tests.dashboard.history import fill
from tests.dashboard.served import StandingClock, built, key_of, opened
from tests.dashboard.world import NOW, registry, works


@dataclass(frozen=True)
class Visitor:
    """Somebody with a key who looks at pages."""

    client: FlaskClient
    key: str
    database: Database
    clock: StandingClock

    def get(self, path: str) -> str:
        """Return a page that can be looked at."""
        answer = self.open("GET", path)
        assert answer.status_code == 200, answer.text
        return answer.text

    def open(self, method: str, path: str, **form: str) -> TestResponse:
        headers = {"Authorization": f"Bearer {self.key}"}
        return self.client.open(path, method=method, data=form or None, headers=headers)

    def as_role(self, role: str) -> "Visitor":
        """Return somebody with another role."""
        self.database.write(lambda tx: keys.insert(tx, keys.NewKey(name=role, role=role, secret=f"{role}-key"), NOW))
        return replace(self, key=f"{role}-key")


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Fill a store once for all tests; each gets a copy."""
    made: dict[str, Path] = {}

    def folder_of(name: str) -> Path:
        if name not in made:
            made[name] = folder = tmp_path_factory.mktemp(name)
            jobs, past = {"full": (45, 3_000), "empty": (0, 0), "hostile": (6, 500)}[name]
            with opened(folder) as database:
                known = list(works(jobs, hostile=name == "hostile"))
                fill(database, known, registry(), number=past, tell=lambda _: None)
        return made[name]

    return folder_of


@pytest.fixture
def visit(filled: Callable[[str], Path], tmp_path: Path) -> Iterator[Callable[[str], Visitor]]:
    """Visit the pages of a copy of a store: full, empty or hostile."""
    open_stores = []

    def make(name: str) -> Visitor:
        folder = tmp_path / name
        shutil.copytree(filled(name), folder)
        store = opened(folder)
        database = store.__enter__()
        open_stores.append(store)
        clock = StandingClock()
        client = built(database, registry(), clock).test_client()
        client.set_cookie("scheduler_zone", "Europe/Berlin")
        return Visitor(client=client, key=key_of(folder), database=database, clock=clock)

    yield make
    for store in open_stores:
        store.__exit__(None, None, None)
