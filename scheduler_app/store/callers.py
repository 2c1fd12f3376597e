"""The tables of who calls: keys, sessions, what somebody wants to look for again, and the audit of what was changed."""

import sqlalchemy as sa

from scheduler_app.store.tables import Key, Text, metadata

api_keys = sa.Table(
    "scheduler_api_keys",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", Text, nullable=False),
    sa.Column("role", Text, nullable=False),
    sa.Column("digest", Text, nullable=False, unique=True),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("expires_at", sa.BigInteger),
    sa.Column("prefix", Text),
    sa.Column("created_by", Text),
    sa.Column("last_used_at", sa.BigInteger),
    sa.Column("revoked_at", sa.BigInteger),
    sqlite_autoincrement=True,
)

sessions = sa.Table(
    "scheduler_sessions",
    metadata,
    sa.Column("digest", Text, primary_key=True),
    sa.Column("api_key", sa.Integer, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("seen_at", sa.BigInteger, nullable=False),
)

sign_in_codes = sa.Table(
    "scheduler_sign_in_codes",
    metadata,
    sa.Column("digest", Text, primary_key=True),
    sa.Column("api_key", sa.Integer, nullable=False),
    sa.Column("expires_at", sa.BigInteger, nullable=False),
)

# what somebody who is signed in wants to look for again
searches = sa.Table(
    "scheduler_searches",
    metadata,
    sa.Column("owner", Text, primary_key=True),
    sa.Column("page", Text, primary_key=True),
    sa.Column("name", Text, primary_key=True),
    sa.Column("query", Text, nullable=False),
    sqlite_with_rowid=False,
)

audit = sa.Table(
    "scheduler_audit",
    metadata,
    sa.Column("id", Key, primary_key=True),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("who", Text, nullable=False),
    sa.Column("api_key", sa.Integer),
    sa.Column("what", Text, nullable=False),
    sa.Column("subject", Text),
    sa.Column("before", Text),
    sa.Column("after", Text),
    sa.Column("request_id", Text),
    sqlite_autoincrement=True,
)
# store.trail.page of one job, and of a time; who and what are walked for
sa.Index("scheduler_audit_subject", audit.c.subject, audit.c.id)
# store.trail.prune too
sa.Index("scheduler_audit_age", audit.c.at, audit.c.id)
