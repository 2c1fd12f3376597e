"""Calls about tasks."""

from flask import Response

from scheduler_app.api.answers import answer, page_answer
from scheduler_app.api.contract import Answer, context, room, serves
from scheduler_app.schemas.task import TaskList, TaskOut, TaskPath, render_task
from scheduler_app.services import tasks as service

calls = room("tasks", "What jobs may name.")


@serves(calls, "GET /tasks", {200: Answer(model=TaskList, means="Every registered task, by name.")})
def list_tasks() -> Response:
    """List tasks."""
    return page_answer([render_task(task) for task in service.list_tasks(ctx=context())], None)


@serves(calls, "GET /tasks/<name>", {200: Answer(model=TaskOut, means="The task.")}, refuses=(404,))
def get_task(path: TaskPath) -> Response:
    """Get a task."""
    return answer(render_task(service.get_task(path.name, ctx=context())))
