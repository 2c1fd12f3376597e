"""Statements of the hot path: written with SQLAlchemy, compiled once, executed on the driver's own cursor.

SQLAlchemy's execution costs 50 to 100 µs a statement, the driver's 5. What is compiled here stays portable: the text,
the order of the parameters and the names of the columns come from the dialect in use. What never changes stands in the
text: SQLite prepares a statement anew (20 to 40 µs) whenever a parameter is bound on which the use of a partial index
may depend, such as a state.
"""

import json
from collections import namedtuple
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from operator import itemgetter
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler

from scheduler_app.store.lanes import driver_of
from scheduler_app.store.rowset import ROWS, encoded, over_rows

# fewer rows cost less one by one
MANY = 16


class Members(sa.Text):
    """A list of values under one parameter."""

    def encode(self, values: Collection[Any]) -> str:
        """Return the list as JSON."""
        return json.dumps(list(values))


class Numbers(Members):
    """A list of whole numbers, which Python shows as JSON does."""

    def encode(self, values: Collection[Any]) -> str:
        """Return the list as JSON."""
        return str(list(values))


class Only(Members):
    """The one value of a list."""

    def encode(self, values: Collection[Any]) -> Any:
        """Return the value."""
        (value,) = values
        return value


class Among(sa.ColumnElement[bool]):
    """`column IN (…)` for a list of any length under one parameter, so that the statement's text never changes.

    SQLite takes 5 µs to open a list, so a list of one value has a text of its own there.
    """

    inherit_cache = False
    type = sa.Boolean()
    _is_implicitly_boolean = True

    def __init__(self, column: sa.ColumnElement[Any], name: str) -> None:
        self.column = column
        kind = Numbers() if isinstance(column.type, sa.Integer) else Members()
        self.members: sa.BindParameter[str] = sa.bindparam(name, type_=kind)
        self.only: sa.BindParameter[Any] = sa.bindparam(name, type_=Only())
        self.array: sa.BindParameter[Any] = sa.bindparam(name, type_=sa.ARRAY(column.type))


def still(column: sa.ColumnElement[Any], value: Any) -> sa.ColumnElement[bool]:
    """Return that a column of a row that is found by its key has a value still, in words that no index serves.

    PostgreSQL, as long as it has not counted how many rows share a value, else takes a partial index for smaller than
    the primary key, and reads all of it for each row.
    """
    shrouded: sa.ColumnElement[Any] = column.concat("") if isinstance(column.type, sa.Text) else column + 0
    same: sa.ColumnElement[bool] = shrouded == value
    return same


@compiles(Among, "sqlite")
def _among_sqlite(element: Among, compiler: SQLCompiler, **options: Any) -> str:
    column = compiler.process(element.column, **options)
    if getattr(compiler, "is_for_one", False):
        return f"{column} = {compiler.process(element.only, **options)}"
    return f"{column} IN (SELECT value FROM json_each({compiler.process(element.members, **options)}))"  # noqa: S608 - no values


@compiles(Among, "postgresql")
def _among_postgresql(element: Among, compiler: SQLCompiler, **options: Any) -> str:
    column = compiler.process(element.column, **options)
    return f"{column} = ANY({compiler.process(element.array, **options)})"


def _row_maker(names: Sequence[str]) -> Callable[[Iterable[Any]], Any]:
    row: Any = namedtuple("Row", list(names))  # type: ignore[misc]
    return partial(tuple.__new__, row)  # `_make` is a function of Python's


def _getter(names: Sequence[str]) -> Callable[[Mapping[str, Any]], tuple[Any, ...]]:
    if len(names) > 1:
        return itemgetter(*names)
    return lambda given: tuple([given[name] for name in names])


def _compiler_of(dialect: sa.Dialect, for_one: bool) -> type[SQLCompiler]:
    base: Any = dialect.statement_compiler

    class Compiler(base):  # type: ignore[misc]
        """Writes constants into the text; what a caller gives remains a parameter."""

        is_for_one = for_one

        def visit_bindparam(self, bindparam: sa.BindParameter[Any], **options: Any) -> str:
            if bindparam.required:
                return str(super().visit_bindparam(bindparam, **options))
            if bindparam.value is None:
                return "NULL"
            return str(super().visit_bindparam(bindparam, **options | {"literal_binds": True}))

    return Compiler


class Compiled:
    """A statement's text for one dialect, how its parameters are laid out and what its rows look like.

    `for_one`: for lists of one value.
    """

    def __init__(
        self,
        statement: sa.UpdateBase | sa.Select[Any] | sa.TextualSelect,
        dialect: sa.Dialect,
        columns: Sequence[str],
        *,
        for_one: bool = False,
    ) -> None:
        compiled = _compiler_of(dialect, for_one)(dialect, statement, column_keys=list(columns) or None)
        self.text = compiled.string
        self.order: Sequence[str] = compiled.positiontup or ()
        self.types = {name: bind.type for name, bind in compiled.binds.items()}
        self.ordered = _getter(self.order)
        self.lists = [(name, bind.type) for name, bind in compiled.binds.items() if isinstance(bind.type, Members)]
        names = [column.name for column in getattr(statement, "exported_columns", ())]
        self.row: Callable[[Iterable[Any]], Any] = _row_maker(names)
        self.for_one: Compiled | None = None
        if self.lists and not for_one:
            self.for_one = Compiled(statement, dialect, columns, for_one=True)

    def best_for(self, parameters: Mapping[str, Any]) -> "Compiled":
        """Return the text for lists of one value, if these are such."""
        if self.for_one is None:
            return self
        for name, _ in self.lists:
            if len(parameters[name]) != 1:
                return self
        return self.for_one

    def values(self, parameters: Mapping[str, Any]) -> tuple[Any, ...]:
        """Return the parameters in the order of the text; a list becomes JSON."""
        given = parameters
        for name, kind in self.lists:
            given = {**given, name: kind.encode(given[name])}
        return self.ordered(given)


class Statement:
    """A statement compiled at its first use. `columns` names the values of an insert.

    `named` names the parameters that say which row is meant: then a server executes it once for many rows of them.
    """

    def __init__(
        self,
        statement: sa.UpdateBase | sa.Select[Any] | sa.TextualSelect,
        *,
        columns: Sequence[str] = (),
        named: Sequence[str] = (),
    ) -> None:
        self._statement = statement
        self._columns = columns
        self._name_of = _getter(named) if named else None
        self.select: Any = statement
        self._compiled: dict[str, Compiled] = {}
        self._over_rows: Compiled | None = None

    def _of(self, tx: sa.Connection) -> Compiled:
        compiled = self._compiled.get(tx.dialect.name)
        if compiled is None:
            compiled = self._compiled[tx.dialect.name] = Compiled(self._statement, tx.dialect, self._columns)
        return compiled

    def rows(self, tx: sa.Connection, **parameters: Any) -> list[Any]:
        """Execute, and return the rows as named tuples of what the driver gives."""
        compiled = self._of(tx)
        if not parameters:
            return [*map(compiled.row, driver_of(tx).execute(compiled.text))]
        compiled = compiled.best_for(parameters)
        return [*map(compiled.row, driver_of(tx).execute(compiled.text, compiled.values(parameters)))]

    def scalar(self, tx: sa.Connection, **parameters: Any) -> Any:
        """Execute, and return the first column of the first row, or None."""
        compiled = self._of(tx).best_for(parameters)
        row = driver_of(tx).execute(compiled.text, compiled.values(parameters)).fetchone()
        return None if row is None else row[0]

    def run(self, tx: sa.Connection, **parameters: Any) -> int:
        """Execute, and return how many rows were changed."""
        compiled = self._of(tx).best_for(parameters)
        return int(driver_of(tx).execute(compiled.text, compiled.values(parameters)).rowcount)

    def at_once(self, tx: sa.Connection, rows: Sequence[Mapping[str, Any]]) -> Any | None:
        """Execute, for so many rows of parameters that one statement costs less than one for each; return the cursor.

        None, and nothing is done, where they are few or mean a row twice. It is planned for what it finds.
        """
        if self._name_of is None or len(rows) < MANY or tx.dialect.name == "sqlite":
            return None
        if len(set(map(self._name_of, rows))) < len(rows):
            return None
        if self._over_rows is None:
            self._over_rows = Compiled(over_rows(self._statement, self._of(tx).types), tx.dialect, ())
        compiled = self._over_rows
        return driver_of(tx).execute(compiled.text, compiled.values({ROWS: encoded(rows)}), prepare=False)

    def each(self, tx: sa.Connection, rows: Iterable[Mapping[str, Any]]) -> list[int]:
        """Execute once for each row of parameters, and return how many rows each has changed."""
        rows = list(rows)
        if (done := self.at_once(tx, rows)) is not None:
            changed_rows = {number for (number,) in done}
            return [int(number in changed_rows) for number in range(len(rows))]
        compiled = self._of(tx)
        values = [compiled.values(row) for row in rows]
        if tx.dialect.name == "sqlite" or len(values) < 2:  # an answer from a server costs a round trip
            execute = driver_of(tx).execute
            return [execute(compiled.text, value).rowcount for value in values]
        cursor = driver_of(tx).cursor()
        cursor.executemany(compiled.text, values, returning=True)
        changed = [int(cursor.rowcount)]
        while cursor.nextset():
            changed.append(int(cursor.rowcount))
        return changed

    def many(self, tx: sa.Connection, rows: Iterable[Mapping[str, Any]]) -> int:
        """Execute once for each row of parameters, which all have the same names; return how many rows were changed."""
        rows = list(rows)
        if not rows:
            return 0
        if (done := self.at_once(tx, rows)) is not None:
            return int(done.rowcount)
        compiled, cursor = self._of(tx), driver_of(tx).cursor()
        cursor.executemany(compiled.text, [compiled.ordered(row) for row in rows])
        return int(cursor.rowcount)


class Insert(Statement):
    """An insert that tells the key of each row it makes; None when a row stands in its way.

    SQLite knows the last key; RETURNING would make it keep a journal of each statement.
    """

    def __init__(self, insert: Any, key: sa.Column[Any], *, columns: Sequence[str], named: Sequence[str] = ()) -> None:
        super().__init__(insert.returning(key, *(key.table.c[name] for name in named)), columns=columns, named=named)
        self._silent = Statement(insert, columns=columns)

    def key(self, tx: sa.Connection, row: Mapping[str, Any]) -> int | None:
        """Execute, and return the key of the new row."""
        (key,) = self.keys(tx, [row])
        return key

    def keys(self, tx: sa.Connection, rows: Sequence[Mapping[str, Any]]) -> list[int | None]:
        """Execute once for each row of parameters, and return the keys of the new rows."""
        if tx.dialect.name == "sqlite":
            compiled, execute = self._silent._of(tx), driver_of(tx).execute
            cursors = (execute(compiled.text, compiled.ordered(row)) for row in rows)
            return [cursor.lastrowid if cursor.rowcount else None for cursor in cursors]
        if len(rows) < 2:
            return [self.scalar(tx, **row) for row in rows]
        if self._name_of is not None and (made := self.at_once(tx, rows)) is not None:
            keys: dict[Any, int] = {tuple(name): key for key, *name in made}
            return [keys.get(self._name_of(row)) for row in rows]
        compiled = self._of(tx)
        cursor = driver_of(tx).cursor()
        cursor.executemany(compiled.text, [compiled.ordered(row) for row in rows], returning=True)
        found = [cursor.fetchone()]
        while cursor.nextset():
            found.append(cursor.fetchone())
        return [None if row is None else row[0] for row in found]
