"""A task: a Python callable registered by name, and what its signature says about arguments."""

import functools
import inspect
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, cast

from pydantic import ConfigDict, TypeAdapter, ValidationError, validate_call
from pydantic.errors import PydanticInvalidForJsonSchema, PydanticUserError
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import PydanticSerializationError, to_jsonable_python
from pydantic_core.core_schema import ArgumentsSchema

from scheduler_app.domain.compact import compact
from scheduler_app.domain.limits import RateLimit, running_limit
from scheduler_app.domain.policy import ELSEWHERE, Executor, Overrides
from scheduler_app.errors import ConfigurationError, Fault, InvalidArguments, TaskNameTaken, UnknownTask

MAX_ARGUMENT_BYTES = 64 * 1024
NAME_PATTERN = r"^[A-Za-z_][A-Za-z0-9_.:-]{0,190}$"
_NAME = re.compile(NAME_PATTERN.removesuffix("$") + r"\Z")

LIMITS: Mapping[str, Callable[[Any], Any]] = {"rate_limit": RateLimit.parse, "max_running": running_limit}

Arguments = tuple[list[Any], dict[str, Any]]
NO_ARGUMENTS = ("[]", "{}")


@dataclass(frozen=True, kw_only=True, eq=False)
class Task:
    """A registered callable: `schema` is the JSON Schema of its arguments, `overrides` its default policies.

    `queue` names the queue of the broker that runs of executor `celery` go to; None: the common one. `rate_limit` is
    how often it may start, `max_running` how many of its runs execute at once, over all engines.
    """

    name: str
    function: Callable[..., Any]
    doc: str
    schema: Mapping[str, Any]
    overrides: Overrides
    validator: Callable[..., tuple[tuple[Any, ...], dict[str, Any]]]
    queue: str | None = None
    rate_limit: RateLimit | None = None
    max_running: int | None = None

    @classmethod
    def of(
        cls, function: Callable[..., Any], *, name: str | None = None, queue: str | None = None, **options: Any
    ) -> "Task":
        """Read a function into a task; `options` are its policies and limits.

        Raises ConfigurationError when the name, an option or a parameter's type cannot be used.
        """
        name = function.__name__ if name is None else name
        if not isinstance(name, str) or not _NAME.match(name):
            raise ConfigurationError(
                f"{place(function)}: {name!r} is no task name; use letters, digits and _.:-, at most 191. "
                "A lambda needs a name: @task(name=...)"
            )
        if queue is not None and (not isinstance(queue, str) or not _NAME.match(queue)):
            raise ConfigurationError(
                f"{place(function)}: task {name}: {queue!r} is no name of a queue; use letters, digits and _.:-"
            )
        limits = {option: _limit(function, option, options.pop(option, None)) for option in LIMITS}
        task = cls(
            name=name,
            function=function,
            doc=inspect.getdoc(function) or "",
            schema=_schema(function, name),
            overrides=_overrides(function, options),
            validator=_validator(function, name),
            queue=queue,
            **limits,
        )
        if task.overrides.executor in ELSEWHERE and task.confined is not None:
            raise ConfigurationError(f"{task.place}: task {name}: {task.confined}")
        return task

    @property
    def is_limited(self) -> bool:
        """Whether it has a limit of its own."""
        return self.rate_limit is not None or self.max_running is not None

    @property
    def place(self) -> str:
        """Where the function stands: file and line."""
        return place(self.function)

    @property
    def confined(self) -> str | None:
        """Why no other process finds the function by its name; None when one does."""
        function = inspect.unwrap(self.function)
        where = getattr(function, "__qualname__", "<no name>")
        if "<" in where:
            what = (
                "a lambda" if "<lambda>" in where else "defined inside a function" if "<locals>" in where else "no def"
            )
            return f"it is {what}, which no worker process can import; define it at the top of a module"
        if function.__module__ == "__main__":
            return "it is in the program that was started, which no worker process can import; move it to a module"
        return None

    def bind(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Arguments:
        """Return the arguments as the function's types want them; InvalidArguments names each that does not fit."""
        try:
            bound_args, bound_kwargs = self.validator(*args, **kwargs)
        except ValidationError as error:
            faults = [self._fault(item) for item in error.errors(include_url=False, include_context=False)]
            told = "; ".join(f"{fault.pointer}: {fault.detail}" for fault in faults)
            raise InvalidArguments(f"arguments of {self.name}: {told}", faults=faults) from None
        return list(bound_args), bound_kwargs

    def admit(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """Refuse arguments that do not fit, as `bind` does; whether it can do without any is found out once."""
        if args or kwargs or not self._takes_nothing:
            self.bind(args, kwargs)

    @functools.cached_property
    def _takes_nothing(self) -> bool:
        try:
            self.bind((), {})
        except InvalidArguments:
            return False
        return True

    def _fault(self, item: Mapping[str, Any]) -> Fault:
        location = list(item["loc"])
        root = "args" if location and isinstance(location[0], int) else "kwargs"
        message = item["msg"].removesuffix(".")
        return Fault(pointer="/" + "/".join(str(part) for part in (root, *location)), detail=message)

    def is_same_function(self, other: "Task") -> bool:
        """Whether both come from one definition, so that importing a file twice is no conflict."""
        return _identity(self.function) == _identity(other.function)


def place(function: Callable[..., Any]) -> str:
    """Return `file:line` of a function, for messages."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code else repr(function)


def _identity(function: Callable[..., Any]) -> tuple[str, str]:
    return place(function), getattr(function, "__qualname__", "")


def _limit(function: Callable[..., Any], option: str, value: Any) -> Any:
    try:
        return None if value is None else LIMITS[option](value)
    except ValueError as error:
        raise ConfigurationError(f"{place(function)}: task option {option}: {error}") from None


def _overrides(function: Callable[..., Any], policies: dict[str, Any]) -> Overrides:
    try:
        return Overrides.model_validate(policies)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = str(first["loc"][0])
        known = (*Overrides.model_fields, *LIMITS)
        nearest = get_close_matches(key, known, n=1) if key not in Overrides.model_fields else []
        hint = f"; did you mean {nearest[0]}?" if nearest else ""
        raise ConfigurationError(
            f"{place(function)}: task option {key}: {first['msg']}, got {first['input']!r}{hint}"
        ) from None


class _ByName(GenerateJsonSchema):
    """Tells the arguments that may be given by name where others may only be given by place: `(*args, **kwargs)`."""

    def arguments_schema(self, schema: ArgumentsSchema) -> JsonSchemaValue:
        try:
            return super().arguments_schema(schema)
        except PydanticInvalidForJsonSchema:
            named = [each for each in schema["arguments_schema"] if each.get("mode") != "positional_only"]
            return self.kw_arguments_schema(named, schema.get("var_kwargs_schema"))


def _schema(function: Callable[..., Any], name: str) -> dict[str, Any]:
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(cast(Any, function))
        return adapter.json_schema(schema_generator=_ByName)
    except (PydanticUserError, NameError, TypeError) as error:
        raise ConfigurationError(
            f"{place(function)}: task {name}: a parameter's type cannot come from JSON: {str(error).splitlines()[0]}"
        ) from None


def _validator(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    @functools.wraps(function)
    def keep(*args: Any, **kwargs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return args, kwargs

    try:
        return validate_call(config=ConfigDict(arbitrary_types_allowed=False))(keep)
    except (PydanticUserError, NameError, TypeError) as error:
        raise ConfigurationError(f"{place(function)}: task {name}: {str(error).splitlines()[0]}") from None


def to_json(value: Any) -> Any:
    """Return a Python value as JSON values: dates and models become what their types read back."""
    try:
        return to_jsonable_python(value)
    except (PydanticSerializationError, ValueError, RecursionError) as error:
        fault = Fault(pointer="/kwargs", detail=f"arguments must be JSON: {error}")
        raise InvalidArguments(fault.detail, faults=[fault]) from None


def encode_arguments(args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[str, str]:
    """Return both as JSON text; InvalidArguments when they are not JSON or together over 64 KiB."""
    if not args and not kwargs:
        return NO_ARGUMENTS
    try:
        texts = [compact(value) for value in (list(args), dict(kwargs))]
        size = sum(len(text.encode()) for text in texts)
    except (ValueError, RecursionError, TypeError) as error:
        fault = Fault(pointer="/kwargs", detail=f"arguments must be JSON: {error}")
        raise InvalidArguments(fault.detail, faults=[fault]) from None
    if size > MAX_ARGUMENT_BYTES:
        detail = f"args and kwargs are {size} bytes of JSON; at most {MAX_ARGUMENT_BYTES}"
        fault = Fault(pointer="/kwargs", detail=detail)
        raise InvalidArguments(fault.detail, faults=[fault])
    return texts[0], texts[1]


class Registry:
    """The tasks that may run, by name. A registry with a parent sees the parent's tasks too."""

    def __init__(self, parent: "Registry | None" = None) -> None:
        self._parent = parent
        self._tasks: dict[str, Task] = {}
        self._limited: dict[str, Task] = {}
        self._lock = threading.Lock()
        # why no other process can build the app that the tasks belong to; None when one can
        self.hindrance: Callable[[Executor], str | None] = lambda _: None

    def add(self, task: Task) -> Task:
        """Register a task; TaskNameTaken when another function has the name."""
        with self._lock:
            known = self.find(task.name)
            if known is not None and not known.is_same_function(task):
                raise TaskNameTaken(
                    f"two functions are registered as task {task.name!r}: {known.place} and {task.place}; "
                    "give one another name: @task(name=...)"
                )
            return self.replace(task)

    def replace(self, task: Task) -> Task:
        """Register a task in place of the one of its name: its function was defined anew."""
        self._tasks[task.name] = task
        if task.is_limited:
            self._limited[task.name] = task
        else:
            self._limited.pop(task.name, None)
        return task

    def find(self, name: str) -> Task | None:
        """Return the task of that name, or None."""
        own = self._tasks.get(name)
        return own if own is not None or self._parent is None else self._parent.find(name)

    def get(self, name: str) -> Task:
        """Return the task of that name; UnknownTask names the nearest ones that exist."""
        task = self.find(name)
        if task is None:
            known = sorted(self.names())
            nearest = get_close_matches(name, known, n=1)
            hint = f"did you mean {nearest[0]!r}?" if nearest else f"registered are: {', '.join(known[:20]) or 'none'}"
            fault = Fault(pointer="/task", detail=f"no task {name[:191]!r} is registered; {hint}")
            raise UnknownTask(fault.detail, faults=[fault])
        return task

    def names(self) -> frozenset[str]:
        """Return the names of all tasks."""
        inherited = self._parent.names() if self._parent else frozenset()
        return inherited | self._tasks.keys()

    @property
    def limited(self) -> Mapping[str, Task]:
        """The tasks that have limits of their own, by name."""
        inherited = self._parent.limited if self._parent else None
        return {**inherited, **self._limited} if inherited else self._limited

    def __iter__(self) -> Iterator[Task]:
        return iter([self.get(name) for name in sorted(self.names())])


default_registry = Registry()
