"""Functions named by where they stand, `package.module:function`, as APScheduler's users name them.

A reference is looked up only below the packages that the configuration names, and what it finds must be defined there
too: `myapp.views:os.system` is refused. A request never makes a module be imported.
"""

import importlib
import sys
from collections.abc import Callable, Collection
from types import MethodType, ModuleType
from typing import Any

from scheduler_app.domain.spec import shown
from scheduler_app.domain.task import Registry, Task
from scheduler_app.errors import Fault, UnknownTask


class References:
    """The functions below some packages, as tasks of a registry whose names are their references."""

    def __init__(self, packages: Collection[str], registry: Registry) -> None:
        self.packages = tuple(packages)
        self.registry = registry

    def task_of(self, function: Any) -> Task:
        """Return the task that a decorated, or a bare function is; UnknownTask when it may not be one."""
        task = getattr(function, "task", None)
        if isinstance(task, Task):
            return task
        if not callable(function):
            raise _refused(f"a job runs a task, a function or the name of one, got {shown(function)}")
        reference = reference_to(function)
        self._check_package(function.__module__, reference)
        return self._task(reference, self._find(reference, imports=False))

    def load(self, name: str, *, imports: bool = True) -> Task:
        """Return the task of a name or of a reference; with `imports` False only what is loaded already is looked at.

        A reference is looked up anew each time, so that a function that is gone is found to be gone.
        """
        if ":" not in name:
            return self.registry.get(name)
        known = self.registry.find(name)
        if known is not None and not self.covers(name.partition(":")[0]):
            return known
        return self._task(name, self._find(name, imports=imports))

    def value(self, reference: str) -> Any:
        """Return any object that stands at the top of a loaded module; below the packages, if any are named."""
        module, _, name = reference.partition(":")
        if self.packages:
            self._check_package(module, reference)
        return getattr(self._module(module, reference, imports=False), name)

    def refuse_bound(self, function: Any, reference: str) -> None:
        """Refuse a method that is bound to an object, unless `reference` names it through that object."""
        if getattr(function, "__qualname__", None) == reference.partition(":")[2]:
            reference_to(function)

    def covers(self, module: str) -> bool:
        """Whether a module is one of the packages, or below one."""
        return any(module == package or module.startswith(package + ".") for package in self.packages)

    def _task(self, reference: str, found: Any) -> Task:
        task = getattr(found, "task", None)
        if isinstance(task, Task):
            return task
        known = self.registry.find(reference)
        if known is not None and known.function == found:
            return known
        return self.registry.replace(Task.of(found, name=reference))

    def _find(self, reference: str, *, imports: bool) -> Callable[..., Any]:
        module, _, path = reference.partition(":")
        self._check_package(module, reference)
        found: Any = self._module(module, reference, imports=imports)
        for part in path.split("."):
            found = None if part.startswith("__") else getattr(found, part, None)
            if found is None or isinstance(found, ModuleType):
                raise _refused(f"{shown(reference)} cannot be found: module {module} has no function {shown(path)}")
        origin = getattr(found, "__module__", None)
        if not callable(found) or not isinstance(origin, str) or not self.covers(origin):
            raise _refused(f"{shown(reference)} is no function that is defined below {self._named()}")
        return found  # type: ignore[no-any-return]

    def _module(self, name: str, reference: str, *, imports: bool) -> ModuleType:
        module = sys.modules.get(name)
        if module is None and not imports:
            raise _refused(f"{shown(reference)}: module {name} is not loaded here, and no request makes it be loaded")
        try:
            return module or importlib.import_module(name)
        except ImportError as error:
            raise _refused(f"{shown(reference)} cannot be imported: {error}") from None

    def _check_package(self, module: str, reference: str) -> None:
        if not self.covers(module):
            raise _refused(
                f"{shown(reference)} is not below {self._named()}; decorate the function with @scheduler.task, or name "
                "its package in SCHEDULER_TASK_MODULES"
            )

    def _named(self) -> str:
        return f"SCHEDULER_TASK_MODULES ({', '.join(self.packages) or 'which names nothing'})"


def reference_to(function: Any) -> str:
    """Return where a function stands, `module:name`; UnknownTask when only pickle could bring it back."""
    path = getattr(function, "__qualname__", None)
    if path is None or "<" in path:
        raise _refused(
            f"{shown(function)} has no name by which it could be found again; decorate it with @scheduler.task, "
            "or define it at the top of its module"
        )
    if isinstance(function, MethodType) and not isinstance(function.__self__, type):
        raise _refused(
            f"{path} is bound to an object, which only pickle could keep; give a function, a class method, or the "
            "name of a method of an object that stands in a module"
        )
    return f"{function.__module__}:{path}"


def _refused(detail: str) -> UnknownTask:
    return UnknownTask(detail, faults=[Fault(pointer="/task", detail=detail)])
