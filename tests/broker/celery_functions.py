"""Functions at the top of a module, as tasks must be that another process imports; what they do is seen here."""

CALLS: list[str] = []


class Interruption(Exception):
    """What a time limit raises."""


def add(a: int, b: int = 1) -> int:
    """Print and add."""
    print("adding")
    return a + b


def count() -> None:
    """Leave a mark."""
    CALLS.append("count")


def flaky() -> str:
    """Fail the first time."""
    CALLS.append("flaky")
    if len(CALLS) == 1:
        raise ValueError("the first time")
    return "the second time"


def interrupted() -> None:
    """Be interrupted by a time limit."""
    raise Interruption


def send() -> None:
    """Do nothing."""
