"""Return commands as the user of this process gives them: by script, by name or by path."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from tempo.core.redaction import redacted

SCRIPTS = {"run": "run_experiment.py", "compare": "compare.py"}
"""Commands that have a script of their own beside the package."""


def page_command(command: str, *words: object) -> str:
    """Return a command for a page or a file, which is read on other machines too.

    `python run_experiment.py SPEC` when such a script started this process, else `tempo run SPEC`.
    """
    script = SCRIPTS.get(command)
    by_script = script is not None and Path(sys.argv[0]).name in SCRIPTS.values()
    head = ["python", str(script)] if by_script else ["tempo", command]
    return _joined([*head, *map(str, words)])


def own_command(command: str, *words: object) -> str:
    """Return a command for a message on this machine.

    As `page_command`, but with the path of the program where its bare name would not be found,
    `.venv/bin/tempo ui` while no virtual environment is activated, and that of the script.
    """
    program, name, *rest = shlex.split(page_command(command, *words))
    if program == "python":
        name = str(Path(sys.argv[0]).with_name(name))
    return _joined([_found(program), name, *rest])


def given_command() -> str:
    """Return the command that started this process, as its user can give it again."""
    program, *words = sys.argv
    name = Path(program).name
    if name in SCRIPTS.values():
        return _joined([_found("python"), program, *words])
    if name == "tempo":
        return _joined([_found(name), *words])
    module = getattr(sys.modules.get("__main__"), "__spec__", None)
    if module is not None:
        return _joined([_found("python"), "-m", module.name, *words])
    return _joined(sys.argv)


def _joined(words: Sequence[str]) -> str:
    """Return words as one command of a shell, passwords removed."""
    return redacted(shlex.join(words))


def _found(program: str) -> str:
    """Return the name of a program, or its path when the name finds none or another."""
    beside = Path(sys.executable).parent / program
    named = shutil.which(program)
    if not beside.exists() or (named is not None and _same(named, beside)):
        return program
    here = os.path.relpath(beside)
    return str(beside) if here.startswith(os.pardir) else here


def _same(one: str, other: Path) -> bool:
    """Return whether both are one file of one folder; links to one Python are several programs."""
    return Path(os.path.abspath(one)) == Path(os.path.abspath(other))  # noqa: PTH100
