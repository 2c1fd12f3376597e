"""The call that looks at a trigger before anything is saved."""

from dataclasses import asdict

from flask import Response

from scheduler_app.api.answers import answer
from scheduler_app.api.contract import Answer, context, room, serves
from scheduler_app.errors import InvalidTrigger
from scheduler_app.schemas.trigger import PreviewIn, PreviewOut
from scheduler_app.services import triggers as service

calls = room("triggers", "When jobs fire.")


@serves(
    calls,
    "POST /triggers/preview",
    {200: Answer(model=PreviewOut, means="The trigger in words and its next times.")},
    refuses=(413, 415, 422),
    writes=False,
)
def preview_trigger(body: PreviewIn) -> Response:
    """Preview a trigger.

    Times strictly after `after` (default: now). Nothing is saved.
    """
    try:
        preview = service.preview_trigger(body.trigger, after=body.after, count=body.count, ctx=context())
    except InvalidTrigger as error:
        raise InvalidTrigger(error.detail, faults=[fault.under("/trigger") for fault in error.faults]) from None
    return answer(asdict(preview))
