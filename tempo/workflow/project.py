"""Write a small project to begin with, or copies of the specs that ship with Tempo."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from tempo.core.counted import listed_up_to
from tempo.core.errors import MissingError, TempoError
from tempo.core.plugins import loading
from tempo.records.files import write_atomic
from tempo.spec.json_schema import study_schema

OWN_BLOCK = "./own_block.py"
"""The plug-in of the project that is written."""

SCHEMA = "study.schema.json"
"""The schema that specs name in their first line, for editors: beside a spec, or one folder up."""

SPEC_FOLDERS = ("experiments", "ablations")

_PACKAGE = Path(__file__).parents[1]
_PROJECT = Path(__file__).with_name("project_files")


class ExistsError(TempoError):
    """A file that should be written is there already. Nothing was written."""


def init_project(folder: str | Path = ".", *, specs: bool = False) -> list[Path]:
    """Write a small project that runs: a study with a block of its own, notes, and the schema.

    With `specs`, write the experiments and ablations that ship with Tempo instead, to read, to run
    and to inherit from by `base:`.

    Returns:
        The files that were written.

    Raises:
        ExistsError: when one of them is there already; then nothing is written.

    >>> import tempo
    >>> [path.name for path in tempo.init_project("my_study")]
    ['README.md', 'own_block.py', 'study.yaml', 'study.schema.json']
    """
    folder = Path(folder)
    files = _shipped() if specs else _project()
    schema = Path(SCHEMA)
    _check_free(folder, [*files, schema])
    for path, text in files.items():
        _write(folder / path, text)
    _write(folder / schema, schema_text() if specs else _schema_with(folder, OWN_BLOCK))
    return [folder / path for path in (*files, schema)]


def _schema_with(folder: Path, plugin: str) -> str:
    """Return the schema that knows the parts of a plug-in in `folder`, which is then forgotten."""
    source = loading.find(plugin, folder)
    loading.load(source)
    try:
        return schema_text()
    finally:
        loading.forget(source.name)


def schema_text() -> str:
    """Return the JSON schema of specs as the text of a file."""
    return json.dumps(study_schema(), indent=1, ensure_ascii=False) + "\n"


def write_schema(path: Path) -> None:
    """Write the JSON schema of specs to a file; one that is there is replaced."""
    _write(path, schema_text())


def _write(path: Path, text: str) -> None:
    write_atomic(path, lambda file: file.write(text.encode()))


def _project() -> dict[Path, str]:
    return {
        Path(path.name): path.read_text(encoding="utf-8")
        for path in sorted(_PROJECT.iterdir())
        if path.is_file()
    }


def _shipped() -> dict[Path, str]:
    """Return the specs that ship, from the installed package or from the checkout it lies in."""
    packed = _PACKAGE / "shipped_specs"
    root = packed if packed.is_dir() else _PACKAGE.parent
    found = [path for name in SPEC_FOLDERS for path in sorted((root / name).glob("*.yaml"))]
    if not found:
        raise MissingError(
            f"the specs that ship with Tempo are not in {root}: install Tempo from a wheel or work "
            "in a checkout"
        )
    # A copy has no run_experiment.py beside it.
    return {
        path.relative_to(root): path.read_text(encoding="utf-8").replace(
            "python run_experiment.py", "tempo run"
        )
        for path in found
    }


def _check_free(folder: Path, files: Iterable[Path]) -> None:
    for above in (folder, *folder.parents):
        if above.exists() and not above.is_dir():
            raise ExistsError(f"{above} is a file, so no folder can be made there; name another")
    there = [str(folder / path) for path in files if (folder / path).exists()]
    if there:
        verb = "exists" if len(there) == 1 else "exist"
        raise ExistsError(
            f"{listed_up_to(3, there)} {verb} already, and nothing is overwritten; name "
            "another folder, or move the old files away"
        )
