"""What a task may do, and what is kept of it."""

import logging
import sys

import pytest
from flask import current_app, request

from scheduler_app import RunCancelled, current_run
from scheduler_app.errors import OutsideRun, RequestInTask
from scheduler_app.services import runs


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


def ended(scheduler, fake_clock, function, **kwargs):
    """Run a function as a task and return its run."""
    run = scheduler.task(function).delay(**kwargs)
    fake_clock.run_due()
    return run.run


def test_prints_and_log_lines_are_kept_with_the_run_and_still_shown(scheduler, fake_clock, watch, capsys):
    def talk() -> None:
        print("printed")
        print("to stderr", file=sys.stderr)
        logging.getLogger("app").warning("logged %d", 1)
        current_run.logger.info("always kept")
        print("no newline", end="")

    run = ended(scheduler, fake_clock, talk)
    log = watch.log(run.id)
    for text in ("printed\n", "to stderr\n", "WARNING logged 1\n", "INFO always kept\n", "no newline"):
        assert text in log
    assert "printed" in capsys.readouterr().out


def test_an_exception_is_kept_with_type_message_and_its_own_frames(scheduler, fake_clock):
    def fail() -> None:
        raise KeyError("missing")

    run = ended(scheduler, fake_clock, fail)
    assert (run.state, run.error.type, run.error.message) == ("failed", "KeyError", "'missing'")
    assert 'raise KeyError("missing")' in run.error.traceback
    assert "runner.py" not in run.error.traceback


def test_a_failure_is_logged_as_an_error_with_its_traceback(scheduler, fake_clock, caplog):
    def fail() -> None:
        raise ValueError("seen")

    with caplog.at_level(logging.ERROR, logger="scheduler_app"):
        ended(scheduler, fake_clock, fail)
    assert any("ValueError: seen" in record.getMessage() for record in caplog.records)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (SystemExit(3), "SystemExit"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
        (Unprintable(), "Unprintable"),  # its own __str__ raises
        (GeneratorExit(), "GeneratorExit"),
    ],
)
def test_whatever_a_task_raises_is_a_failed_run_and_the_next_one_runs(scheduler, fake_clock, error, kind):
    def fail() -> None:
        raise error

    run = ended(scheduler, fake_clock, fail)
    assert run.state == "failed"
    assert run.error.type.endswith(kind)

    def well() -> int:
        return 1

    assert ended(scheduler, fake_clock, well).result == 1


def test_exhausted_recursion_is_a_failed_run(scheduler, fake_clock):
    def deep() -> None:
        deep()

    assert ended(scheduler, fake_clock, deep).error.type == "RecursionError"


def cycle() -> list:
    loop: list = []
    loop.append(loop)
    return loop


@pytest.mark.parametrize(
    ("result", "kept"),
    [
        ({"a": [1, None, "ü"]}, True),
        (None, True),
        (object(), False),
        (cycle(), False),
        (float("nan"), False),
        ("\ud800", False),  # a lone surrogate has no UTF-8
        ("x" * 65536, False),  # over 64 KiB with its quotes
        ((number for number in ()), False),
    ],
    ids=["object", "null", "no JSON", "cycle", "nan", "surrogate", "too large", "generator"],
)
def test_a_result_is_kept_if_it_is_json_and_the_log_tells_if_not(scheduler, fake_clock, watch, result, kept):
    def give():
        return result

    run = ended(scheduler, fake_clock, give)
    assert run.state == "succeeded"
    assert run.result == (result if kept else None)
    assert ("not kept" in watch.log(run.id)) is not kept


@pytest.mark.slow
def test_the_first_and_the_last_512_kib_of_a_long_log_are_kept(scheduler, fake_clock, watch):
    def chatter() -> None:
        for number in range(300_000):
            print(f"line {number:06}")

    run = ended(scheduler, fake_clock, chatter)
    offset, texts = 0, []
    while True:
        part = runs.read_log(run.id, offset=offset, ctx=scheduler.core.ctx)
        texts.append(part.text)
        offset = part.next_offset
        if part.complete:
            break
    log = "".join(texts)
    assert log.startswith("line 000000\n")
    assert log.endswith("line 299999\n")
    assert 2 * 512 * 1024 <= len(log) <= 2 * 512 * 1024 + 64 * 1024


def test_progress_is_kept(scheduler, fake_clock):
    def report() -> None:
        current_run.progress(3, 4, "three of four")

    progress = ended(scheduler, fake_clock, report).progress
    assert (progress.current, progress.total, progress.message) == (3, 4, "three of four")


def test_the_request_used_inside_a_task_fails_with_a_sentence_that_says_what_to_do(scheduler, fake_clock):
    def peek() -> str:
        return request.path

    with scheduler.app.test_request_context("/somewhere"):
        run = ended(scheduler, fake_clock, peek)
    assert run.error.type == f"{RequestInTask.__module__}.RequestInTask"
    assert "pass it as an argument" in run.error.message


def test_the_app_context_is_there_inside_a_task(scheduler, fake_clock):
    def name() -> str:
        return current_app.name

    assert ended(scheduler, fake_clock, name).result == scheduler.app.name


def test_current_run_outside_a_run_says_so():
    with pytest.raises(OutsideRun):
        _ = current_run.id


def test_a_task_that_raises_run_cancelled_without_being_asked_has_failed(scheduler, fake_clock):
    def give_up() -> None:
        raise RunCancelled("I quit")

    assert ended(scheduler, fake_clock, give_up).state == "failed"


def test_arguments_are_checked_again_when_the_run_starts(scheduler, fake_clock):
    def first(n: int) -> int:
        return n

    run = scheduler.task(first).delay(n=1)
    del scheduler.registry._tasks["first"]

    def second(n: str, more: str) -> None: ...

    scheduler.task(name="first")(second)
    fake_clock.run_due()
    assert run.state == "failed"
    assert "/kwargs/n: " in run.run.error.message
    assert "/kwargs/more: Missing" in run.run.error.message
