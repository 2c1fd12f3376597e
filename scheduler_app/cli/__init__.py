"""The command line: `scheduler-app`."""

import sys

if sys.platform == "win32":
    sys.exit("scheduler-app: it needs Linux or macOS; on Windows run it in WSL or a container")

from importlib.metadata import version
from typing import Any

import click

from scheduler_app.app import settings_of
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
