"""The command line: `scheduler-app`."""

import sys

if sys.platform == "win32":
    sys.exit("scheduler-app: it needs Linux or macOS; on Windows run it in WSL or a container")

import os
from importlib.metadata import version
from typing import Any

import click

from scheduler_app.app import settings_of
from scheduler_app.cli.moving import import_apscheduler
from scheduler_app.cli.serve import serve
from scheduler_app.domain.text import one_line
from scheduler_app.errors import SchedulerError

CONTEXT = {"help_option_names": ["-h", "--help"], "auto_envvar_prefix": None}

__all__ = ["cli", "main"]


@click.group(context_settings=CONTEXT)
@click.version_option(version("scheduler_app"), prog_name="scheduler-app")
def cli() -> None:
    """Durable background and scheduled jobs."""


@cli.command("serve")
@click.option("--host", help="Address to listen on (127.0.0.1).")
@click.option("--port", type=int, help="Port to listen on (8000); 0 takes a free one.")
@click.option("--data", type=click.Path(), help="Folder of the embedded store and the admin key (./data).")
@click.option("--database", help="SQLAlchemy URL of the store, in place of the one in the data folder.")
@click.option("--tasks", multiple=True, metavar="FILE_OR_MODULE", help="Whose tasks to offer; may be repeated.")
@click.option("--config", type=click.Path(), help="A TOML file of settings.")
def serve_command(**options: Any) -> None:
    """Run the service: HTTP API, engine and embedded store, in the foreground."""
    given = {key: value for key, value in options.items() if value not in (None, ())}
    serve(lambda environ: settings_of(environ, given))


@cli.command("import-apscheduler")
@click.argument("url")
@click.option("--trust-pickle", is_flag=True, help="Read the pickles in that database, which runs what they say.")
@click.option("--table", default="apscheduler_jobs", show_default=True, help="The table of the jobs.")
@click.option("--data", type=click.Path(), help="Folder of the store that takes the jobs (./data).")
@click.option("--database", help="SQLAlchemy URL of that store, in place of the one in the data folder.")
@click.option("--tasks", multiple=True, metavar="FILE_OR_MODULE", help="Whose tasks the jobs run; may be repeated.")
@click.option("--config", type=click.Path(), help="A TOML file of settings.")
def import_command(url: str, trust_pickle: bool, table: str, **options: Any) -> None:
    """Take over the jobs of APScheduler's SQL job store at URL, while neither it nor an engine runs."""
    given = {key: value for key, value in options.items() if value not in (None, ())}
    import_apscheduler(url, table, settings_of(os.environ, given), trust=trust_pickle)


def main() -> None:
    """Run the command line; every foreseen fault is one line on standard error and exit status 1."""
    try:
        cli(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.exceptions.Abort:
        sys.exit(130)
    except SchedulerError as error:
        click.echo(f"scheduler-app: {one_line(error.detail)}", err=True)
        sys.exit(1)
