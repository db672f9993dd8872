"""The command line: builds the Typer app from `commands/` and turns errors into exit codes."""

from __future__ import annotations

import gc
import sys
from importlib.metadata import version
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from .base.messages import format_error
from .commands import data, doctor, ensemble, presets, start, train, worker
from .commands.results import best, compare, dashboard, importance, report, studies, trials
from .commands.terminal.output import notify
from .commands.terminal.streams import install_streams, lost_on_stdout
from .errors import NothingYet, OptionError, RecsysSearchError

# In the order of the help. A new command is one file in commands/ and its name here.
COMMANDS = (
    start,
    worker,
    studies,
    trials,
    compare,
    best,
    importance,
    report,
    dashboard,
    train,
    ensemble,
    doctor,
    presets,
    data,
)

# Commands that end within seconds, most of which they spend on imports.
READING = {"status", "studies", "show", "trials", "compare", "best", "importance"}

EXIT_CODES: dict[type[Exception], int] = {NothingYet: 3, OptionError: 2}  # any other error: 1


class Commands(TyperGroup):
    """Gives Ctrl-C the exit code 130, where Typer's is 1."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            notify("interrupted")
            raise typer.Exit(130) from None


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"recsys-search {version('recsys-search')}")
        raise typer.Exit


@app.callback(epilog="recsys-search start --study demo")
def common(
    context: typer.Context,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    show_version: Annotated[
        bool,
        typer.Option(
            "--version", help="Show the version and exit.", is_eager=True, callback=_print_version
        ),
    ] = False,
) -> None:
    """Find the best hyperparameters of a VAE that predicts MovieLens ratings."""
    if context.invoked_subcommand in READING:
        # Imports make objects that stay: looking among them for garbage takes a sixth of `status`.
        gc.disable()


for command in COMMANDS:
    app.add_typer(command.app)


def main(args: list[str] | None = None) -> None:
    """Entry point of the console script: an error becomes one line on stderr and an exit code."""
    install_streams()
    code = _run(sys.argv[1:] if args is None else args)
    if reason := lost_on_stdout():
        notify(f"error: stdout cannot be written: {reason}; its text is incomplete")
        code = code or 1
    sys.exit(code)


def _run(args: list[str]) -> int:
    """The exit code of a command."""
    try:
        app(args)
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    except Exception as error:
        if "--debug" in args:
            raise
        if isinstance(error, RecsysSearchError):
            notify(f"error: {error}")
        else:
            traceback = f"recsys-search --debug {args[0]} ..."
            notify(f"error: {format_error(error)} (traceback: {traceback})")
        return EXIT_CODES.get(type(error), 1)
    return 0
