"""Which errors are the same."""

import pytest

from scheduler_app.domain.run import RunError
from scheduler_app.domain.same_error import error_key

OURS = '  File "/srv/app/reports.py", line {}, in send\n    connect()\n'
THEIRS = '  File "/venv/lib/python3.11/site-packages/http/client.py", line {}, in connect\n    raise\n'


def key(message: str = "no answer", kind: str = "OSError", traceback: str = OURS.format(3) + THEIRS.format(9)) -> str:
    return error_key(RunError(type=kind, message=message, traceback=traceback))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("row 17 of 20", "row 3 of 1,000"),
        ("<Thing at 0x7f12ab>", "<Thing at 0x7fffff>"),
        ("10.0.0.1:80 refused", "192.168.1.20:8080 refused"),
        ("order 0190b8a0-1111-7000-8000-000000000001", "order 0190b8a0-2222-7000-8000-00000000abcd"),
    ],
)
def test_numbers_and_addresses_make_no_difference(one: str, other: str) -> None:
    assert key(one) == key(other)


def test_a_place_is_a_function_of_ones_own_and_not_a_line() -> None:
    assert key(traceback=OURS.format(3) + THEIRS.format(9)) == key(traceback=OURS.format(5))
    assert key(traceback=OURS.replace("send", "fetch")) != key()


def test_type_and_words_make_a_difference() -> None:
    assert len({key(), key(kind="ValueError"), key("no disk"), key("")}) == 4
