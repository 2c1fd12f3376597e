"""Load the files and modules whose tasks the service offers; a fault in one is one sentence with its place."""

import importlib
import importlib.util
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

from scheduler_app.errors import ConfigurationError


def load_tasks(names: Iterable[str], *, demo: bool) -> None:
    """Import every file or module; the tasks in it register themselves. Raises ConfigurationError."""
    for name in names:
        _load(name)
    if demo:
        importlib.import_module("scheduler_app.app.demo")


def _load(name: str) -> None:
    path = Path(name)
    is_file = path.suffix == ".py" or "/" in name or path.is_file()
    try:
        _load_file(path) if is_file else importlib.import_module(name)
    except ConfigurationError:
        raise
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        raise ConfigurationError(f"tasks {name}: {_told(error, path if is_file else None)}") from error


def _load_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise ConfigurationError(f"tasks {path}: there is no such file")
    name = path.stem if path.stem not in sys.modules else f"scheduler_tasks_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ConfigurationError(f"tasks {path}: not a Python file; its name must end in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # before it runs: pydantic looks up the names in type hints there
    folder = str(path.parent.absolute())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    spec.loader.exec_module(module)
    return module


def _told(error: BaseException, path: Path | None) -> str:
    message = " ".join(str(error).split())
    if isinstance(error, SyntaxError):
        place = "" if error.lineno is None else f"line {error.lineno}: "
        return f"{place}SyntaxError: {error.msg}"
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame.lineno for frame in frames if path is not None and Path(frame.filename) == path.absolute()]
    return f"{f'line {own[-1]}: ' if own else ''}{type(error).__name__}: {message}"
