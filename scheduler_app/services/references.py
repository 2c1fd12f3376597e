"""Functions named by where they stand, `package.module:function`, as APScheduler's users name them.

A reference is looked up only in the code of the app, which lies in its folder, and below the packages that the
configuration names; what it finds must be defined there too: `myapp.views:os.system` is refused. Only what the code
itself declares may lie anywhere. A request names the packages alone, and never makes a module be imported.
"""

import importlib
import sys
import sysconfig
from collections.abc import Callable, Collection
from enum import Enum
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from types import MethodType, ModuleType
from typing import Any

from scheduler_app.domain.spec import shown
from scheduler_app.domain.task import Registry, Task
from scheduler_app.errors import Fault, UnknownTask

MAIN = "__main__"


class Reach(Enum):
    """Whose functions may be named: a request's, the app's own code's, or, by what is declared in code, anyone's."""

    REQUEST = "request"
    APP = "app"
    ANYWHERE = "anywhere"


class References:
    """The functions below some packages, as tasks of a registry whose names are their references."""

    def __init__(
        self, packages: Collection[str], registry: Registry, *, code: Path | None = None, module: str = ""
    ) -> None:
        self.module = module
        self.packages = tuple(packages)
        self.registry = registry
        self._code = code

    def task_of(self, function: Any, *, reach: Reach = Reach.APP) -> Task:
        """Return the task that a decorated, or a bare function is; UnknownTask when it may not be one."""
        task = getattr(function, "task", None)
        if isinstance(task, Task):
            return task
        if not callable(function):
            raise _refused(f"a job runs a task, a function or the name of one, got {shown(function)}")
        reference = reference_to(function)
        return self._task(reference, self._find(reference, reach, imports=False))

    def load(self, name: str, *, reach: Reach = Reach.APP) -> Task:
        """Return the task of a name or of a reference; for a request only what is loaded already is looked at.

        A reference is looked up anew each time, so that a function that is gone is found to be gone.
        """
        if ":" not in name:
            return self.registry.get(name)
        known = self.registry.find(name)
        if known is not None and not self.covers(name.partition(":")[0]):
            return known
        return self._task(name, self._find(name, reach, imports=reach is not Reach.REQUEST))

    def value(self, reference: str) -> Any:
        """Return any object that stands at the top of a loaded module; below the packages, if any are named."""
        module, _, name = reference.partition(":")
        if self.packages:
            self._check_reach(module, reference, Reach.REQUEST)
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

    def _find(self, reference: str, reach: Reach, *, imports: bool) -> Callable[..., Any]:
        module, _, path = reference.partition(":")
        self._check_reach(module, reference, reach)
        found: Any = self._module(module, reference, imports=imports)
        for part in path.split("."):
            found = None if part.startswith("__") else getattr(found, part, None)
            if found is None or isinstance(found, ModuleType):
                raise _refused(f"{shown(reference)} cannot be found: module {module} has no function {shown(path)}")
        origin = getattr(found, "__module__", None)
        if not callable(found) or not isinstance(origin, str) or not self._reaches(origin, reach):
            raise _refused(f"{shown(reference)} is no function that is defined below {self._named()}")
        return found  # type: ignore[no-any-return]

    def _module(self, name: str, reference: str, *, imports: bool) -> ModuleType:
        module = sys.modules.get(MAIN if name == _script() else name)
        if module is None and not imports:
            raise _refused(f"{shown(reference)}: module {name} is not loaded here, and no request makes it be loaded")
        try:
            return module or importlib.import_module(name)
        except ImportError as error:
            raise _refused(f"{shown(reference)} cannot be imported: {error}") from None

    def _reaches(self, module: str, reach: Reach) -> bool:
        if reach is Reach.ANYWHERE or self.covers(module):
            return True
        return reach is Reach.APP and self._code is not None and _lies_below(module, self._code)

    def _check_reach(self, module: str, reference: str, reach: Reach) -> None:
        if not self._reaches(module, reach):
            raise _refused(
                f"{shown(reference)} is not below {self._named()}; decorate the function with @scheduler.task, or name "
                "its package in SCHEDULER_TASK_MODULES"
            )

    def _named(self) -> str:
        return f"SCHEDULER_TASK_MODULES ({', '.join(self.packages) or 'which names nothing'})"


def _lies_below(module: str, folder: Path) -> bool:
    """Whether the file of a module is in a folder, and not of a library that is installed there; imports nothing."""
    loaded = sys.modules.get(MAIN if module == _script() else module)
    try:
        found = getattr(loaded, "__file__", None) if loaded else find_spec(module.partition(".")[0])
    except (ImportError, ValueError):
        return False
    file = getattr(found, "origin", found)
    if not isinstance(file, str):
        return False
    path = Path(file).absolute()
    return path.is_relative_to(folder) and not is_of_library(path)


# asking for them costs more than all that adding a job does
LIBRARIES = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})


@lru_cache(maxsize=1024)
def is_of_library(path: Path) -> bool:
    """Whether a file belongs to Python, or to what is installed beside it."""
    return any(path.is_relative_to(folder) for folder in LIBRARIES)


def module_of(function: Any) -> str:
    """Return the name by which the module of a function is imported, also while it is run as a script."""
    module = str(function.__module__)
    return _script() or module if module == MAIN else module


def _script() -> str | None:
    """Return by which name the script that runs would be imported."""
    file = getattr(sys.modules.get(MAIN), "__file__", None)
    return None if file is None else Path(file).stem


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
    return f"{module_of(function)}:{path}"


def _refused(detail: str) -> UnknownTask:
    return UnknownTask(detail, faults=[Fault(pointer="/task", detail=detail)])
