"""Functions that jobs name by where they stand."""

import os  # noqa: F401 - the tests try to reach it through this module
from datetime import date

calls: list[object] = []


def note(value: object = None) -> object:
    calls.append(value)
    return value


def on_day(day: date) -> str:
    return day.isoformat()


class Worker:
    @classmethod
    def of_class(cls, n: int) -> int:
        return n

    def of_object(self, n: int) -> int:
        return n


worker = Worker()
