"""Calls about one engine."""

from flask import Response

from scheduler_app.api.answers import answer
from scheduler_app.api.contract import Answer, context, room, serves
from scheduler_app.api.reading import OPTIONAL_JSON
from scheduler_app.schemas.fields import Nothing
from scheduler_app.schemas.scheduler import EngineOut, EnginePath, render_engine
from scheduler_app.services import engines as service
from scheduler_app.services.engines import EngineView

calls = room("engines", "What is asked of one engine.")

AN_ENGINE = {200: Answer(model=EngineOut, means="The engine.")}
REFUSES = (404, 409, 413, 415, 422)


def _answer(view: EngineView) -> Response:
    return answer(render_engine(view.row, view.held))


@serves(calls, "POST /scheduler/engines/<engine_id>/drain", AN_ENGINE, refuses=REFUSES, body=OPTIONAL_JSON)
def drain_engine(path: EnginePath, body: Nothing) -> Response:
    """Drain an engine.

    It takes no new runs, within a second, until it is resumed; what it has goes on, and jobs fire as before. What it
    has claimed ahead is given back at once.
    """
    return _answer(service.drain_engine(path.engine_id, ctx=context()))


@serves(calls, "POST /scheduler/engines/<engine_id>/resume", AN_ENGINE, refuses=REFUSES, body=OPTIONAL_JSON)
def resume_engine(path: EnginePath, body: Nothing) -> Response:
    """Resume an engine.

    It takes runs again. One whose process was told to end does not.
    """
    return _answer(service.resume_engine(path.engine_id, ctx=context()))


@serves(
    calls,
    "DELETE /scheduler/engines/<engine_id>",
    {204: Answer(model=None, means="The engine is not listed any more.")},
    refuses=(404, 409),
)
def forget_engine(path: EnginePath) -> Response:
    """Forget an engine.

    Only one that has stopped, or that the others have found dead. Its runs keep their history.
    """
    service.forget_engine(path.engine_id, ctx=context())
    return Response(status=204)
