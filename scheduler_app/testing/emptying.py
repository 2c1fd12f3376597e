"""A database of one's own as the store of tests: emptied before each, but never while somebody works with it."""

from datetime import timedelta

from scheduler_app.clock import Clock, SystemClock
from scheduler_app.errors import ConfigurationError
from scheduler_app.store import emptying, engines
from scheduler_app.store.database import Database
from scheduler_app.store.engines import EngineRow
from scheduler_app.store.identity import Identity, is_gone

BEATS_WITHIN = timedelta(minutes=2)


def emptied(url: str) -> str:
    """Delete every job and run of the store at a URL, if there is one, and return the URL; your own tables stay.

    For the fixture `scheduler_database`, when that is a database that all tests of a process share. It is refused
    with a ConfigurationError while an engine of another process works on that store.

        @pytest.fixture
        def scheduler_database(worker_id):
            return emptied(f"postgresql+psycopg://localhost/shop_{worker_id}")
    """
    database = Database(url)
    try:
        with database.read() as tx:
            if not emptying.is_there(tx):
                return url
            busy = [row for row in engines.live(tx) if _lives(row, Identity.of_this_process(), SystemClock())]
        if busy:
            raise ConfigurationError(
                f"{database.shown} is not emptied: process {busy[0].pid} on {busy[0].node} has an engine on it. Give "
                "the tests a database of their own"
            )
        database.write(emptying.empty)
    finally:
        database.close()
    return url


def _lives(row: EngineRow, own: Identity, clock: Clock) -> bool:
    """Whether an engine of another process works: its process is there, or on another host, it has just beaten."""
    if row.host == own.host:
        return row.pid != own.pid and not is_gone(row.pid, row.process_start)
    return abs(clock.now() - row.beat_at) < BEATS_WITHIN
