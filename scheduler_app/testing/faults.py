"""What a test has in store for the next attempts of tasks: an exception, or the end of the process."""

from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum
from typing import Any, NoReturn

from scheduler_app.domain.task import Registry, Task


class Point(StrEnum):
    """Where in an attempt the process dies: before the first line of the task, or after its last one."""

    START = "start"
    END = "end"


class Faults:
    """What is to go wrong, by the name of the task, in order."""

    def __init__(self) -> None:
        self._failures: dict[str, deque[BaseException | type[BaseException]]] = defaultdict(deque)
        self._crashes: dict[str, deque[Point]] = defaultdict(deque)

    def fail(self, task: str, exception: BaseException | type[BaseException], times: int) -> None:
        """Let the next attempts of a task raise this."""
        self._failures[task].extend([exception] * times)

    def crash(self, task: str, at: Point, times: int) -> None:
        """Let the process die in the next attempts of a task."""
        self._crashes[task].extend([at] * times)

    def next_failure(self, task: str) -> BaseException | type[BaseException] | None:
        """Return, once, what the attempt that begins is to raise."""
        waiting = self._failures.get(task)
        return waiting.popleft() if waiting else None

    def next_crash(self, task: str) -> Point | None:
        """Return, once, where in the attempt that begins the process is to die."""
        waiting = self._crashes.get(task)
        return waiting.popleft() if waiting else None


class FaultyRegistry(Registry):
    """The tasks of another registry, of which some are to fail."""

    def __init__(self, parent: Registry, faults: Faults) -> None:
        super().__init__(parent)
        self._faults = faults

    def get(self, name: str) -> Task:
        """Return a task; if it is to fail, with a function that does."""
        task = super().get(name)
        failure = self._faults.next_failure(name)
        return task if failure is None else replace(task, function=_raising(failure))


def _raising(failure: BaseException | type[BaseException]) -> Callable[..., NoReturn]:
    def fail(*args: Any, **kwargs: Any) -> NoReturn:
        raise failure

    return fail
