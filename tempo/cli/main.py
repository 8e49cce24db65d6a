"""Parse the command line, call the command, and turn errors into messages and exit codes."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from types import FrameType

from tempo.cli.command_parser import CommandParser, ExamplesFormatter
from tempo.cli.inspection.version_action import VersionAction
from tempo.cli.missing_package import missing_package
from tempo.core.errors import TempoError, lacking_on_machine
from tempo.core.own_command import given_command
from tempo.core.redaction import redacted
from tempo.core.startup import loading, print_in_any_encoding

KEPT = "What was finished is kept: once that is mended, the same command goes on."

Configure = Callable[[argparse.ArgumentParser], None]

COMMANDS: dict[str, tuple[str, str]] = {
    "run": ("carry out a study: train, evaluate, compare, report", "run:configure"),
    "plan": ("list variants and runs of a spec, and what they weigh", "plan:configure"),
    "compare": ("rebuild table, figures and page from records, offline", "compare:configure"),
    "diff": ("in what two runs, variants or studies differ", "inspection.diff:configure"),
    "search": ("show what a search found, export the winner", "search:configure"),
    "data": ("prepare data sets, and look at them", "data:configure"),
    "evaluate": ("methods on test sets, by the field's protocols", "evaluate:configure"),
    "bench": ("milliseconds a frame of networks, side by side", "inference.bench:configure"),
    "interpolate": ("new frames for a video, or between two pictures", "interpolate:configure"),
    "status": ("how the runs of a study stand, from any terminal", "status:configure"),
    "watch": ("the page of a running study, in a browser", "watch:configure"),
    "logs": ("what a run did, and what its worker printed", "logs:configure"),
    "stop": ("ask runs to checkpoint and leave", "stop:configure"),
    "tend": ("follow what a cluster has; submit again what it lost", "cluster.tend:configure"),
    "retry": ("carry out the failed runs of a study again", "run:configure_retry"),
    "disk": ("what takes space: checkpoints, galleries, caches, by study", "disk.usage:configure"),
    "clean": ("delete what nothing needs any more; shows it first", "disk.clean:configure"),
    "ui": ("browse the runs in the MLflow UI", "mlflow:configure_ui"),
    "sync": ("complete the MLflow mirror from the records", "mlflow:configure_sync"),
    "import": ("write runs that others logged as records", "mlflow:configure_import"),
    "check": ("whether a network or part of your own obeys the laws", "check:configure"),
    "doctor": ("check this machine, and say what would fail", "inspection.doctor:configure"),
    "notify": ("send a notice by hand, as your profile says", "inspection.notify:configure"),
    "init": ("write a small project that runs, or the specs that ship", "project:configure_init"),
    "schema": ("print the JSON schema of specs, for editors", "project:configure_schema"),
    "completion": ("print a script that completes commands in a shell", "completion:configure"),
}
"""Each command: its line in the help, and the module of this package with the function that sets up
its options and handler. It is imported only for the command that is asked for."""

EPILOG = """examples:
  tempo init my_study                                  write a small project
  tempo run ablations/se_dilation.yaml --profile demo  train, compare, report
  tempo plan ablations/se_dilation.yaml --counts       what would run, its size
  tempo compare se_dilation                            the results again
  tempo ui                                             the runs in MLflow
"""


def _configure(command: str, parser: argparse.ArgumentParser) -> None:
    module, _, function = COMMANDS[command][1].partition(":")
    configure: Configure = getattr(import_module(f"tempo.cli.{module}"), function)
    # Examples keep their line breaks.
    parser.formatter_class = ExamplesFormatter
    configure(parser)


def parser(*commands: str) -> CommandParser:
    """The whole command line, or only `commands` with their options and the others by name."""
    top = CommandParser(
        prog="tempo",
        description="Ablation studies for TEMPO: from a YAML spec to a verdict.",
        epilog=EPILOG,
        formatter_class=ExamplesFormatter,
    )
    about = "print version, commit, code stamp and packages (first line: tempo VERSION)"
    top.add_argument("--version", action=VersionAction, help=about)
    added = top.add_subparsers(required=True, metavar="COMMAND")
    for name, (line, _) in COMMANDS.items():
        one = added.add_parser(name, help=line)
        if name in (commands or COMMANDS):
            _configure(name, one)
    return top


def shim(command: str, program: str) -> CommandParser:
    """The parser of one command under a name of its own, as run_experiment.py has it."""
    alone = CommandParser(prog=program)
    _configure(command, alone)
    alone.epilog = (alone.epilog or "").replace(f"  tempo {command} ", f"  python {program} ")
    return alone


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit code (0 done, 1 a run failed, 2 bad input, 130 stopped)."""
    print_in_any_encoding()
    words = sys.argv[1:] if argv is None else list(argv)
    words = words or ["--help"]
    # The command is the first word that is no option of the program itself.
    named = [word for word in words if not word.startswith("-")][:1]
    known = [word for word in named if word in COMMANDS]
    if not named:
        parser().check_options(words)
    return _carry_out(lambda: parser(*(known or list(COMMANDS)[:1])).parse_args(words))


def run_shim(command: str, program: str) -> int:
    """Carry out run_experiment.py or compare.py, which Ctrl-C may end while they import."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    print_in_any_encoding()
    return _carry_out(lambda: shim(command, program).parse_args())


@contextmanager
def _interruptible() -> Iterator[None]:
    """Raise KeyboardInterrupt for whatever ends the block because Ctrl-C interrupted it.

    What is imported meanwhile may raise an error of its own instead: pydantic does while it builds
    a model.
    """
    met: list[int] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        met.append(number)
        signal.default_int_handler(number, frame)

    in_main = threading.current_thread() is threading.main_thread()
    if not in_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    except TempoError:
        raise
    except Exception as error:
        if met:
            raise KeyboardInterrupt from error
        raise
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _carry_out(parse: Callable[[], argparse.Namespace]) -> int:
    options = argparse.Namespace()
    try:
        with _interruptible():
            with loading():
                options = parse()
            return int(options.handler(options))
    except ModuleNotFoundError as error:
        if (error.name or "tempo").partition(".")[0] == "tempo":
            raise
        print(f"error: {missing_package(error.name or '')}", file=sys.stderr)
        return 2
    except TempoError as error:
        print(f"error: {redacted(str(error))}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        _say_interrupted(options)
        return 130
    except BrokenPipeError:
        # The reader of our output (head, less) went away; nothing is left to say.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        lacking = lacking_on_machine(error)
        if lacking is None:
            raise
        print(f"error: {redacted(lacking)} {KEPT}", file=sys.stderr)
        return 2


def _say_interrupted(options: argparse.Namespace) -> None:
    """Print the command that continues what Ctrl-C interrupted, where there is such work."""
    if getattr(options, "continues", False):
        print(
            "Interrupted. What was finished is kept, and the same command goes on from there:\n"
            f"  {given_command()}",
            file=sys.stderr,
        )


if __name__ == "__main__":
    sys.exit(main())
