"""Tasks that take any arguments by name, under the names that a fuzzer comes upon, so that it can make jobs."""

import string
from typing import Any

from scheduler_app import task


def anything(**given: Any) -> int:
    """Take anything."""
    return len(given)


for letter in string.ascii_letters + "_":
    task(name=letter)(anything)
