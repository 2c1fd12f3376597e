"""The example with a database of its own, started as the README says, with a real mail server."""

import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from aiosmtpd.controller import Controller

from tests.extension.conftest import Running, _free_port, serve, until

__all__ = ["serve"]

EXAMPLE = Path(__file__).parent / "reports"
README = (Path(__file__).parent.parent.parent / "README.md").read_text()
ORDERS = 30
SERVERS = [
    (
        "sqlite",
        ("gunicorn", "-w", "3", "--preload", "-b", "127.0.0.1:PORT", "--no-control-socket", "reports:create_app()"),
    ),
    ("postgresql", ("flask", "--app", "reports", "run", "--debug", "--port", "PORT")),
]


class Inbox:
    """Keeps to whom mail came, and about what."""

    def __init__(self) -> None:
        self.mails: list[tuple[str, str]] = []

    async def handle_DATA(self, server: object, session: object, envelope: object) -> str:
        subject = next(line for line in envelope.content.decode().splitlines() if line.startswith("Subject:"))
        self.mails.append((envelope.rcpt_tos[0], subject))
        return "250 OK"


@pytest.fixture
def inbox() -> Iterator[Controller]:
    server = Controller(Inbox(), hostname="127.0.0.1", port=_free_port())
    server.start()
    yield server
    server.stop()


def orders(running: Running) -> list[dict[str, int]]:
    def order(number: int) -> dict[str, int]:
        answer = httpx.post(
            f"{running.url}/reports", json={"email": f"{number}@example.org"}, timeout=30.0, verify=False
        )
        assert answer.status_code == 202
        return answer.json()

    with ThreadPoolExecutor(4) as clients:
        return list(clients.map(order, range(ORDERS)))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("database", "command"), SERVERS, ids=["gunicorn on SQLite", "flask run --debug on PostgreSQL"]
)
def test_each_report_is_mailed_once(
    database: str,
    command: tuple[str, ...],
    request: pytest.FixtureRequest,
    serve: Callable[..., Running],
    inbox: Controller,
    tmp_path: Path,
):
    program = (EXAMPLE / "reports.py").read_text().replace("8025", str(inbox.port))
    if database == "postgresql":
        program = program.replace("sqlite:///reports.db", request.getfixturevalue("postgresql").fresh())
    (tmp_path / "reports.py").write_text(program)
    flask = Path(sys.executable).parent / "flask"
    subprocess.run([flask, "--app", "reports", "init-db"], cwd=tmp_path, check=True, timeout=60)
    running = serve("", *command)
    ordered = orders(running)
    assert len({answer["run"] for answer in ordered}) == ORDERS
    until(lambda: len(inbox.handler.mails) >= ORDERS)
    until(lambda: not running.api("/runs?state=queued,running,scheduled")["items"])
    assert Counter(to for to, _ in inbox.handler.mails) == Counter(f"{number}@example.org" for number in range(ORDERS))
    assert {subject for _, subject in inbox.handler.mails} == {f"Subject: Report {one['report']}" for one in ordered}
    assert running.api("/jobs/summary")["trigger"]["timezone"] == "Europe/Berlin"


@pytest.mark.parametrize("file", ["reports.py", "test_reports.py"])
def test_the_example_is_printed_in_the_readme(file: str):
    assert f"```python\n{(EXAMPLE / file).read_text()}```\n" in README, "print it as it is"
