"""Many rows of parameters under one statement do on a server what a statement for each does."""

from collections.abc import Iterator
from contextlib import closing

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as dialect

from scheduler_app.store.database import Database
from scheduler_app.store.rowset import ROWS
from scheduler_app.store.statement import MANY, Insert, Statement
from scheduler_app.store.tables import facts, job_stats
from tests import postgres

TEXTS = [
    "null",
    "",
    "a 'quote'",
    'a "quote"',
    "back\\slash",
    "\\u0000 as it is written",
    "%s {1,2}",
    "Zürich 🚂",
    "a\nb",
]
SET = Statement(
    facts.update().where(facts.c.name == sa.bindparam("name_")).values(value=sa.bindparam("value_")), named=("name_",)
)
# what stands for the key of a table that numbers its rows
ADD = Insert(dialect.insert(facts).on_conflict_do_nothing(), facts.c.value, columns=("name", "value"), named=("name",))
STATS = Statement(dialect.insert(job_stats), columns=[column.name for column in job_stats.columns], named=("job_key",))


@pytest.fixture
def database(postgresql: postgres.Server) -> Iterator[Database]:
    with closing(Database(postgresql.fresh(postgres.TEMPLATE))) as database:
        yield database


def rows_of(tx: sa.Connection) -> dict[str, str]:
    return {row.name: row.value for row in tx.execute(sa.select(facts).where(facts.c.name.like("row %")))}


def test_each_row_is_told_whether_it_was_done_and_every_text_arrives_as_it_is(database: Database):
    wanted = {f"row {number:02}": TEXTS[number % len(TEXTS)] for number in range(MANY)}
    new = [{"name": name, "value": f"of {name}"} for name in wanted]
    more = [*new[: MANY // 2], *({"name": f"row x{number}", "value": f"{number}"} for number in range(MANY // 2))]
    changes = [{"name_": name, "value_": value} for name, value in wanted.items()]
    changes.insert(3, {"name_": "nobody", "value_": "?"})

    def write(tx: sa.Connection) -> tuple[list[object], ...]:
        return [*ADD.keys(tx, new)], [*ADD.keys(tx, more)], [*SET.each(tx, changes)]

    made, again, changed = database.write(write)
    assert made == [row["value"] for row in new]
    assert again == [None] * (MANY // 2) + [row["value"] for row in more[MANY // 2 :]]
    assert changed == [1, 1, 1, 0] + [1] * (MANY - 3)
    with database.read() as tx:
        assert {name: value for name, value in rows_of(tx).items() if name in wanted} == wanted
    assert ROWS in SET._over_rows.order


def test_of_rows_that_mean_the_same_one_the_last_stands_as_if_each_were_written_alone(database: Database):
    def write(tx: sa.Connection) -> list[int]:
        ADD.key(tx, {"name": "row", "value": "none"})
        return SET.each(tx, [{"name_": "row", "value_": str(number)} for number in range(2 * MANY)])

    assert database.write(write) == [1] * 2 * MANY
    with database.read() as tx:
        assert tx.execute(sa.select(facts.c.value).where(facts.c.name == "row")).scalar_one() == str(2 * MANY - 1)


def test_bytes_and_missing_values_arrive_as_they_are(database: Database):
    empty = dict.fromkeys((column.name for column in job_stats.columns), None)
    numbers = {"number": 1, "last_run": 1, "unwell": 0, "failures": 0, "marks": bytes(range(256)), "older": b""}
    rows = [empty | numbers | {"job_key": key} for key in range(1, MANY + 1)]
    database.write(lambda tx: STATS.many(tx, rows))
    with database.read() as tx:
        found = [dict(row) for row in tx.execute(sa.select(job_stats).order_by(job_stats.c.job_key)).mappings()]
    assert found == rows
