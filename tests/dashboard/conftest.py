"""Pages over a real SQLite file, with a clock that stands: read by a client, or by a browser."""

import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from flask.testing import FlaskClient
from pydantic import Field
from werkzeug.test import TestResponse

from scheduler_app.domain.task import Registry, Task
from scheduler_app.services.context import Context
from scheduler_app.signals import Bus
from scheduler_app.store import keys
from scheduler_app.store.callers import api_keys
from scheduler_app.store.database import Database, default_url
from scheduler_app.store.keys import digest_of
from scheduler_app.testing.template import lay_store
from tests.clocks import SettableClock
from tests.dashboard.history import fill
from tests.dashboard.served import built, key_of, opened
from tests.dashboard.world import NOW, registry, works

KEYS = {role: f"a-key-of-{role}" for role in ("viewer", "operator", "admin")}


@dataclass(frozen=True)
class Visitor:
    """Somebody with a key who looks at pages."""

    client: FlaskClient
    key: str
    database: Database
    clock: SettableClock

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
        clock = SettableClock(NOW)
        client = built(database, registry(), clock).test_client()
        client.set_cookie("scheduler_zone", "Europe/Berlin")
        return Visitor(client=client, key=key_of(folder), database=database, clock=clock)

    yield make
    for store in open_stores:
        store.__exit__(None, None, None)


def backup(
    database: str,
    keep_days: Annotated[int, Field(ge=1)] = 30,
    verify: bool = True,
    mode: Literal["full", "incremental"] = "full",
    tables: list[str] | None = None,
    options: dict[str, int] | None = None,
) -> None:
    """Dump a database and verify it."""


def ping() -> None:
    """Answer."""


@dataclass
class Browser:
    """A client without scripts: it reads pages and posts their forms."""

    client: FlaskClient
    role: str = "admin"
    zone: str = "Europe/Berlin"
    headers: dict[str, str] = field(default_factory=dict)

    def _sent(self) -> dict[str, str]:
        own = {"Authorization": f"Bearer {KEYS[self.role]}", "Cookie": f"scheduler_zone={self.zone}"}
        return {**own, **self.headers}

    def get(self, path: str, status: int = 200) -> str:
        answer = self.client.get(path, headers=self._sent())
        assert answer.status_code == status, answer.text
        return answer.text

    def post(self, path: str, said: dict[str, Any] | None = None, status: int = 303) -> TestResponse:
        answer = self.client.post(path, data=said or {}, headers=self._sent())
        assert answer.status_code == status, answer.text
        return answer

    def api(self, method: str, path: str, body: Any = None) -> Any:
        answer = self.client.open(f"/api/v1{path}", method=method, json=body, headers=self._sent())
        assert answer.status_code < 300, answer.text
        return answer.get_json(silent=True)

    def given_job(self, job_id: str, **said: Any) -> Any:
        content = {"id": job_id, "task": "ping", "trigger": {"type": "interval", "minutes": 5}} | said
        return self.api("POST", "/jobs", content)

    def as_(self, role: str) -> "Browser":
        return Browser(client=self.client, role=role, zone=self.zone)


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock(NOW)


@pytest.fixture
def known_tasks() -> Registry:
    known = Registry()
    known.add(Task.of(backup, name="db.backup", max_retries=2))
    known.add(Task.of(ping))
    return known


@pytest.fixture
def ctx(tmp_path: Path, clock: SettableClock, known_tasks: Registry) -> Iterator[Context]:
    lay_store(tmp_path / "scheduler.db")
    database = Database(default_url(tmp_path), synchronous="OFF")
    rows = [{"name": role, "role": role, "digest": digest_of(secret), "created_at": 0} for role, secret in KEYS.items()]
    database.write(lambda tx: tx.execute(api_keys.insert(), rows))
    yield Context(database=database, registry=known_tasks, clock=clock, bus=Bus(), wake=lambda: None)  # type: ignore[arg-type]
    database.close()


@pytest.fixture
def app(ctx: Context, known_tasks: Registry, clock: SettableClock) -> Any:
    return built(ctx.database, known_tasks, clock)  # type: ignore[arg-type]


@pytest.fixture
def browser(app: Any) -> Browser:
    return Browser(app.test_client(use_cookies=False))


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self.marks: list[tuple[str, dict[str, str | None]]] = []

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.marks.append((tag, dict(attrs)))


def read(page: str) -> _Reader:
    reader = _Reader()
    reader.feed(page)
    return reader


def text_of(page: str) -> str:
    """What a page says, without its marks."""
    return re.sub(r"\s+", " ", " ".join(read(page).words))


def assert_no_inline(page: str) -> None:
    """Nothing that a strict policy would have to allow."""
    for tag, attributes in read(page).marks:
        assert tag != "style"
        assert tag != "script" or "src" in attributes
        assert not [name for name in attributes if name == "style" or name.startswith("on")]
        assert not [value for value in attributes.values() if value and value.startswith("javascript:")]


@pytest.fixture
def each_page(browser: Browser) -> Callable[[], list[str]]:
    """The pages of jobs, over one job."""

    def visit() -> list[str]:
        browser.given_job("nightly", tags=["ops"])
        paths = ("/jobs", "/jobs?by=tag", "/jobs/nightly", "/jobs/nightly?tab=settings", "/jobs/nightly?tab=links")
        asking = ("/jobs/new", "/jobs/nightly/edit", "/jobs/nightly/run", "/jobs/nightly/pause", "/jobs/nightly/delete")
        return [browser.get(path) for path in (*paths, *asking)]

    return visit
