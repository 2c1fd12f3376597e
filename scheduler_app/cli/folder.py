"""The data folder: made for its owner alone, and refused when it cannot be written."""

import os
from pathlib import Path

from scheduler_app.errors import ConfigurationError


def make_folder(folder: Path) -> None:
    """Make the folder if it is not there. Raises ConfigurationError when it cannot be used."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise ConfigurationError(f"data {folder}: cannot make this folder: {error.strerror}") from None
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        raise ConfigurationError(f"data {folder}: this folder cannot be written; choose another with --data")
