"""Calls about API keys."""

from flask import Response

from scheduler_app.api.answers import answer, page_answer
from scheduler_app.api.contract import Answer, context, room, serves
from scheduler_app.api.cursors import decode_number, encode_number
from scheduler_app.schemas.key import (
    CreatedKeyOut,
    KeyIn,
    KeyList,
    KeyPath,
    KeyQuery,
    render_created,
    render_key,
)
from scheduler_app.services import keys as service

calls = room("keys", "Who may call, and what they may do.")


@serves(
    calls,
    "POST /api-keys",
    {201: Answer(model=CreatedKeyOut, means="The key was made; it is told this once.")},
    refuses=(409, 413, 415, 422),
)
def create_key(body: KeyIn) -> Response:
    """Make a key.

    The answer is the only place where it ever stands: of a key only a digest is kept.
    """
    created = service.create_key(body.to_spec(), ctx=context())
    return answer(render_created(created.key, created.secret), 201)


@serves(calls, "GET /api-keys", {200: Answer(model=KeyList, means="A page of keys.", headers=("Link",))})
def list_keys(query: KeyQuery) -> Response:
    """List keys.

    Without `state` all but the revoked ones.
    """
    after = decode_number(query.cursor, query.state)
    page = service.list_keys(query.state, after=after, limit=query.limit, ctx=context())
    return page_answer([render_key(key, page.now) for key in page.keys], encode_number(page.after, query.state))


@serves(
    calls,
    "DELETE /api-keys/<key_id>",
    {204: Answer(model=None, means="The key is good no more.")},
    refuses=(404, 409),
)
def revoke_key(path: KeyPath) -> Response:
    """Revoke a key.

    It is refused at once by the process that answers, and within 5 s by the others; who is signed in with it is signed
    out. The last admin key that does not expire cannot be revoked.
    """
    service.revoke_key(path.key_id, ctx=context())
    return Response(status=204)
