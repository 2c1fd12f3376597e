"""Add jobs in a transaction of the caller's own: our statements, over their connection.

Invariants kept here:
- The transaction is on the database of the store and can be rolled back; else it is refused before anything is written.
- No lock of ours is taken, neither the gate nor the advisory lock: every writer would wait until the caller commits. It
  is not needed, since only what is new is written. Nobody else can take a place of a job that only this transaction
  sees, its key and the number of its run come from sequences, and an id is unique. What a concurrency key allows does
  depend on others, so a run under one is `scheduled`, reason `delayed`: the first pass that sees it lets it line up.
- The store is migrated before, in a transaction of its own, never in theirs.

On SQLite, which has one writer, ours wait for the caller's transaction from its first write on, and are refused after
2 s, as with any other program that writes to the file. On PostgreSQL they do not wait, but for one that adds a job of
the same id. What changes the jobs that are stored, the defaults of a task or newer rules of a time zone, does not reach
a job that was not committed at that moment.
"""

import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from scheduler_app.errors import Fault, InvalidInput, StoreUnavailable
from scheduler_app.store.backend import shown
from scheduler_app.store.callers import audit
from scheduler_app.store.database import Database
from scheduler_app.store.lanes import CHANNEL
from scheduler_app.store.tables import job_tags, jobs, runs

UNTOLD = "scheduler_app"
# their connection may put other schemas in the place of ours
AS_WRITTEN: Any = {"schema_translate_map": None}
# a server names itself by when it started, and where our tables lie in it
PLACE = sa.text(
    "SELECT CAST(pg_postmaster_start_time() AS text), current_database(), CAST(to_regclass('scheduler_runs') AS oid)"
)
INSERT_JOB = postgresql.insert(jobs).on_conflict_do_nothing(index_elements=["id"]).returning(jobs.c.key)
INSERT_RUN = runs.insert().returning(runs.c.id)
INSERT_TAG = job_tags.insert()
NOTIFY = sa.select(sa.func.pg_notify(CHANNEL, ""))
TAKES = "an SQLAlchemy Session, a scoped_session such as db.session, or a Connection"


class ForeignTransaction:
    """The transaction of a Session, a scoped_session or a Connection of the caller's; begun if there is none yet.

    Raises InvalidInput when it is not on the database of the store, StoreUnavailable when that cannot be opened.
    """

    def __init__(self, given: Any, database: Database) -> None:
        self._session = _session_of(given)
        self.connection = _connection_of(given, self._session)
        _refuse_unfit(self.connection, database)
        transaction = self.connection.get_transaction()
        assert transaction is not None
        self._transaction = transaction
        self.in_savepoint = self.connection.in_nested_transaction()
        self._database = database

    @property
    def is_open(self) -> bool:
        """Whether it was neither committed nor rolled back."""
        return self._transaction.is_active and not self.connection.closed

    def insert_job(self, values: Mapping[str, Any], *, tags: tuple[str, ...]) -> int | None:
        """Insert a job by its `values_of` and return its key; None when its id is taken."""
        self._database.expect_commit()
        key: int | None = self._execute(INSERT_JOB, values).scalar()
        if key is not None and tags:
            self._execute(INSERT_TAG, [{"tag": tag, "job_key": key} for tag in dict.fromkeys(tags)])
        return key

    def insert_run(self, values: Mapping[str, Any]) -> int:
        """Insert a run and return its id."""
        return int(self._execute(INSERT_RUN, values).scalar_one())

    def insert_change(self, values: Mapping[str, Any]) -> None:
        """Note who added the job."""
        self._execute(audit.insert(), values)

    def wake(self) -> None:
        """Let the engines look as soon as this is committed, where they do not see every commit by themselves."""
        if self.connection.dialect.name == "postgresql" and not isinstance(self._transaction, sa.TwoPhaseTransaction):
            self._execute(NOTIFY)

    def _execute(self, statement: Any, values: Any = None) -> sa.CursorResult[Any]:
        return self.connection.execute(statement, values, execution_options=AS_WRITTEN)

    def on_commit(self, tell: Callable[[], None]) -> None:
        """Call `tell` after the commit. Only a session says when that is; a bare connection does not."""
        if self._session is None:
            return
        if UNTOLD not in self._session.info:
            self._session.info[UNTOLD] = []
            sa.event.listen(self._session, "after_commit", _tell)
            sa.event.listen(self._session, "after_transaction_end", _forget)
        self._session.info[UNTOLD].append((self._transaction, tell))


def _tell(session: Any) -> None:
    """Tell of what was committed; a savepoint that is released commits nothing yet."""
    for tell in _ended(session):
        with suppress(StoreUnavailable):  # committed it is, and the engines find it
            tell()


def _forget(session: Any, _transaction: Any) -> None:
    """Tell nobody of what was not committed: this comes after every end, that of a commit included."""
    _ended(session)


def _ended(session: Any) -> list[Callable[[], None]]:
    """Return, and forget, what belongs to transactions that are over."""
    untold = session.info[UNTOLD]
    session.info[UNTOLD] = [entry for entry in untold if entry[0].is_active]
    return [tell for transaction, tell in untold if not transaction.is_active]


def _session_of(given: Any) -> Any:
    """Return the session that is meant, None for anything else; who has one has loaded SQLAlchemy's ORM."""
    orm = sys.modules.get("sqlalchemy.orm")
    if orm is None:
        return None
    session = given() if isinstance(given, orm.scoped_session) else given
    return session if isinstance(session, orm.Session) else None


def _connection_of(given: Any, session: Any) -> sa.Connection:
    if isinstance(given, sa.Connection):
        return given
    if session is None:
        raise _refused(f"takes {TAKES}, got {type(given).__name__}")
    try:
        connection: sa.Connection = session.connection()
    except sa.exc.UnboundExecutionError:
        raise _refused(
            "this session has no default database; give its connection to the one that holds the jobs: "
            "session.connection(bind_arguments={'mapper': Model})"
        ) from None
    return connection


def _refuse_unfit(connection: sa.Connection, database: Database) -> None:
    if connection._is_autocommit_isolation():
        raise _refused("this connection commits each statement (AUTOCOMMIT), so that nothing could be rolled back")
    if connection.dialect.name != database.url.get_backend_name():
        raise _elsewhere(shown(connection.engine.url), database)
    if database.path is not None:
        _refuse_other_file(connection, database, database.path)
    elif not _is_place(connection, database):
        raise _elsewhere(shown(connection.engine.url), database)


def _refuse_other_file(connection: sa.Connection, database: Database, path: Path) -> None:
    file = _file_of(connection)
    if file is None or file.resolve() != path.resolve():
        raise _elsewhere(f"sqlite:///{file}" if file else "a database in memory", database)
    _open(database)


def _file_of(connection: sa.Connection) -> Path | None:
    listed = connection.exec_driver_sql("PRAGMA database_list").all()
    return next((Path(file) for _, name, file in listed if name == "main" and file), None)


def _open(database: Database) -> None:
    """Open the store; one whose tables are still to be made cannot be while the caller's transaction writes."""
    try:
        database.open()
    except StoreUnavailable as error:
        raise StoreUnavailable(
            f"{database.shown} does not have our tables yet, or older ones, and they cannot be made while a "
            "transaction of yours writes to the same file: call scheduler.upgrade() where you make your own tables"
        ) from error


def _is_place(connection: sa.Connection, database: Database) -> bool:
    with database.read() as tx:  # makes our tables, if there are none yet
        ours = tuple(tx.execute(PLACE).one())
    return tuple(connection.execute(PLACE).one()) == ours


def _elsewhere(theirs: str, database: Database) -> InvalidInput:
    return _refused(
        f"this transaction is on {theirs}, the jobs are kept in {database.shown}; to add both in one, "
        "set SCHEDULER_DATABASE to the database of the session"
    )


def _refused(what: str) -> InvalidInput:
    return InvalidInput.of(Fault(pointer="/in_transaction", detail=f"in_transaction: {what}"))
