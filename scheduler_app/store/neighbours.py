"""What the migrations of the user's own tables are to leave alone, where both live in one database."""

from collections.abc import Mapping

from scheduler_app.store.schema import VERSION_TABLE
from scheduler_app.store.tables import metadata


def include_name(name: str | None, kind: str, parents: Mapping[str, str | None]) -> bool:
    """Tell Alembic which names of a database are the user's: `context.configure(…, include_name=include_name)`.

    https://alembic.sqlalchemy.org/en/latest/autogenerate.html#omitting-table-names-from-the-autogenerate-process
    """
    return kind != "table" or (name not in metadata.tables and name != VERSION_TABLE)
