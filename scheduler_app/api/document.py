"""The OpenAPI document as it is served: with a key, also with what only this app knows, its tasks.

Without a key it names none of them: which tasks there are is nobody's business who may not list them.
"""

import copy
import json
import re
from collections.abc import Sequence
from typing import Any

from scheduler_app.domain.task import Task

Document = dict[str, Any]
SCHEMAS = "#/components/schemas/"
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]")


def with_tasks(document: Document, tasks: Sequence[Task]) -> Document:
    """Return the document with the names of these tasks where a job names one, and the arguments of each."""
    document = copy.deepcopy(document)
    schemas = document["components"]["schemas"]
    for model in ("JobIn", "JobPatch"):
        schemas[model]["properties"]["task"] |= {"enum": [task.name for task in tasks]}
    schemas["JobIn"]["properties"]["kwargs"]["description"] += _where(tasks)
    schemas["JobIn"]["examples"] = [_of_task(example, tasks) for example in schemas["JobIn"]["examples"] if tasks]
    schemas["RunNowIn"]["examples"] = [{}]
    return document | {"components": document["components"] | {"schemas": schemas | _arguments(tasks)}}


def _where(tasks: Sequence[Task]) -> str:
    told = "; ".join(f"of `{task.name}`: `{_component(task)}`" for task in tasks)
    return f" The schema of each task's arguments, {told}." if told else ""


def _arguments(tasks: Sequence[Task]) -> Document:
    """Return the JSON Schema of each task's arguments, by its name among the components."""
    return {_component(task): _led_to(_component(task), task.schema) for task in tasks}


def _component(task: Task) -> str:
    return "Arguments." + _NOT_IN_NAMES.sub("_", task.name)


def _led_to(place: str, schema: Any) -> Document:
    """Return a schema whose references lead to its own definitions from where it stands in the document."""
    moved: Document = json.loads(json.dumps(schema).replace('"#/$defs/', f'"{SCHEMAS}{place}/$defs/'))
    return moved


def _of_task(example: Document, tasks: Sequence[Task]) -> Document:
    """Return an example as one of a task that is there: one that needs no arguments, if there is any."""
    free = [task for task in tasks if not task.schema.get("required") and not task.schema.get("minItems")]
    return {**example, "task": (free or tasks)[0].name, "kwargs": {}}
