"""The call about who changed what."""

from flask import Response, g

from scheduler_app.api.answers import page_answer
from scheduler_app.api.contract import Answer, context, room, serves
from scheduler_app.api.cursors import decode_number, encode_number
from scheduler_app.api.roles import require
from scheduler_app.domain.change import ABOUT_KEYS
from scheduler_app.schemas.trail import AuditList, AuditQuery, render_change
from scheduler_app.services import trail as service
from scheduler_app.services.roles import Role, allows

calls = room("audit", "Who changed what.")


@serves(
    calls, "GET /audit", {200: Answer(model=AuditList, means="A page of changes, newest first.", headers=("Link",))}
)
def list_changes(query: AuditQuery) -> Response:
    """List who changed what.

    Jobs, runs and the scheduler, and for an admin also keys and sign-ins. What runs, and one-offs that run now, are no
    changes: of them the runs tell.
    """
    if set(query.what) & set(ABOUT_KEYS):
        require(Role.ADMIN)
    where = query.to_filter()
    page = service.list_changes(
        where,
        after=decode_number(query.cursor, where),
        limit=query.limit,
        keys_too=allows(g.key.role, Role.ADMIN),
        ctx=context(),
    )
    return page_answer([render_change(entry) for entry in page.entries], encode_number(page.after, where))
