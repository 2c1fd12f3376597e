"""Every fault of the command line is one clear line that names the option, and exit status 1."""

import tomllib

import pytest
from click.testing import CliRunner

from scheduler_app.cli import celery_worker_command, cli
from scheduler_app.cli.celery_worker import UNITS
from scheduler_app.settings import Settings


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("serve", "--port", "abc"), "port (command line --port): Input should be a valid integer"),
        (("check", "--port", "-1"), "port (command line --port): Input should be greater than or equal to 0, got -1"),
        (("serve", "--prot", "1"), "No such option '--prot'"),
        (("serve", "--port"), "Option '--port' requires an argument"),
        (("serve", "more"), "unexpected extra argument (more)"),
        (("servee",), "No such command 'servee'"),
        (("--nothing",), "No such option '--nothing'"),
        (("audit", "--json", "--threads", "3"), "No such option '--threads'"),
        (("serve", "--wrong\n\x1b[31m"), "No such option '--wrong\\n\\x1b[31m'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_a_fault_of_the_command_line_is_one_line(said, words, says):
    status, out, err = said(*words)
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert err.startswith("scheduler-app: ")
    assert says in err


@pytest.mark.parametrize("command", ["serve", "check", "audit", "settings"])
def test_help_works(command):
    result = CliRunner().invoke(cli, [command, "--help"])
    assert result.exit_code == 0
    assert f"Usage: cli {command}" in result.output


def test_without_a_command_the_help_is_shown(said):
    status, out, err = said()
    assert (status, out) == (1, "")
    assert "Commands:" in err


def test_the_settings_are_printed_as_a_file_that_can_be_used():
    printed = CliRunner().invoke(cli, ["settings"]).output
    assert Settings.model_validate(tomllib.loads(printed)) == Settings()
    assert CliRunner().invoke(cli, ["settings", "--markdown"]).output.startswith("| setting |")


def test_the_pools_that_a_celery_worker_offers_are_those_that_it_can_make():
    (pool,) = [option for option in celery_worker_command.params if option.name == "pool"]
    assert list(pool.type.choices) == list(UNITS)
