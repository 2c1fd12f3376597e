"""A temporary file in place of a database in memory, which no second thread or process could see."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path


def temporary_database() -> str:
    """Return the URL of a store that is removed when this process, which no fork of it is, ends."""
    folder = Path(tempfile.mkdtemp(prefix="scheduler-"))
    owner = os.getpid()

    def remove() -> None:
        if os.getpid() == owner:
            shutil.rmtree(folder, ignore_errors=True)

    atexit.register(remove)
    return f"sqlite:///{folder / 'scheduler.db'}"
