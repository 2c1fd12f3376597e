"""Run the command line in this process."""

import sys
from collections.abc import Callable

import pytest

from scheduler_app.cli import main
from tests.service.conftest import service

__all__ = ["service"]

Said = Callable[..., tuple[object, str, str]]


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Said:
    """Run `scheduler-app` with these words; return its exit status and what it said on both streams."""

    def said(*words: object) -> tuple[object, str, str]:
        monkeypatch.setattr(sys, "argv", ["scheduler-app", *map(str, words)])
        capsys.readouterr()
        try:
            main()
        except SystemExit as ended:
            return ended.code, *capsys.readouterr()
        return 0, *capsys.readouterr()

    return said
