"""The searches that somebody keeps, by the page that they are of."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from scheduler_app.store.callers import searches
from scheduler_app.store.statement import Statement

_OF = (searches.c.owner == sa.bindparam("owner_"), searches.c.page == sa.bindparam("page_"))
OF = Statement(sa.select(searches.c.name, searches.c.query).where(*_OF).order_by(searches.c.name))
_insert = postgresql.insert(searches)
KEEP = Statement(
    _insert.on_conflict_do_update(index_elements=["owner", "page", "name"], set_={"query": _insert.excluded.query}),
    columns=searches.c.keys(),
)
FORGET = Statement(searches.delete().where(*_OF, searches.c.name == sa.bindparam("name_")))


def of(tx: sa.Connection, owner: str, page: str) -> dict[str, str]:
    """Return somebody's searches of a page, by name."""
    return {row.name: row.query for row in OF.rows(tx, owner_=owner, page_=page)}


def keep(tx: sa.Connection, owner: str, page: str, name: str, query: str) -> None:
    """Keep a search, in place of one of that name."""
    KEEP.run(tx, owner=owner, page=page, name=name, query=query)


def forget(tx: sa.Connection, owner: str, page: str, name: str) -> None:
    """Keep a search no more."""
    FORGET.run(tx, owner_=owner, page_=page, name_=name)
