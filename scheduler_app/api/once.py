"""Answer a call once: with the header `Idempotency-Key`, the same call gets the same answer for 24 hours."""

import hashlib
import json
from collections.abc import Callable
from typing import TypeVar

from flask import Response, g, request
from pydantic import BaseModel

from scheduler_app.api.contract import context
from scheduler_app.api.reading import read_idempotency_key
from scheduler_app.services.context import Context
from scheduler_app.services.idempotency import answer_once
from scheduler_app.store.idempotency import KeptAnswer, KeyedCall

T = TypeVar("T")


def once(body: BaseModel, use_case: Callable[[Context], T], render: Callable[[T], Response]) -> Response:
    """Carry out a use case and render what it gives; with an `Idempotency-Key` only if the same call has no answer."""
    key = read_idempotency_key()
    if key is None:
        return render(use_case(context()))
    call = KeyedCall(api_key=g.key.id, key=key, fingerprint=_fingerprint(body))
    given = answer_once(call, use_case, lambda result: _kept(render(result)), ctx=context())
    response = Response(given.answer.body, given.answer.status, given.answer.headers)
    if given.is_replay:
        response.headers["Idempotency-Replayed"] = "true"
    return response


def _fingerprint(body: BaseModel) -> str:
    """Return what tells a call from others: method, path, and what the body says, however it is written."""
    said = json.dumps(body.model_dump(exclude_unset=True), sort_keys=True, default=str)
    return hashlib.sha256(f"{request.method} {request.path} {said}".encode()).hexdigest()


def _kept(response: Response) -> KeptAnswer:
    headers = {name: value for name, value in response.headers if name != "Content-Length"}
    return KeptAnswer(status=response.status_code, headers=headers, body=response.get_data())
