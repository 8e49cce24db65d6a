"""Copy a data set's shards from a cluster's shared disk to the node's own disk, verified."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from tempo.data.open_dataset import prepare, shard_folders
from tempo.records.files import sha256_of
from tempo.spec.options import Options

SPARE = 1.05
"""How much more room than the copies need has to be free."""


def stage(options: Options, cache: Path, scratch: str, say: Callable[[str], None]) -> Path:
    """Copy the shards of a data set from `cache` to `scratch` and return the cache to use.

    The processes of a node that call this at once make one copy: the others wait. A shard is
    either whole and verified or absent, and is copied once. Where the shards do not fit, or the
    folder cannot be used, `cache` itself is returned and `say` is called with the reason.

    Raises:
        MissingError: when the data set is neither cached nor on this machine.
    """
    prepare(options, cache)
    folder = Path(scratch) / f"tempo-cache-{os.getuid()}"
    sources = shard_folders(options, cache)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock"):
            missing = [each for each in sources if not (folder / each.relative_to(cache)).exists()]
            files = (file for each in missing for file in each.rglob("*") if file.is_file())
            needed = SPARE * sum(file.stat().st_size for file in files)
            free = shutil.disk_usage(folder).free
            if needed > free:
                say(
                    f"scratch: {folder} has {free / 1e9:.1f} GB free and the data needs "
                    f"{needed / 1e9:.1f} GB; reading from {cache} instead"
                )
                return cache
            for source in missing:
                _copy(source, folder / source.relative_to(cache))
            _copy_fingerprints(cache, folder)
    except OSError as error:
        say(f"scratch: {folder} cannot be used ({error}); reading from {cache} instead")
        return cache
    say(f"scratch: data in {folder} ({len(missing)} of {len(sources)} parts copied)")
    return folder


def _copy(source: Path, target: Path) -> None:
    """Copy a shard beside its place, compare, then move it there in one step.

    Raises:
        OSError: when the copy differs, or cannot be written.
    """
    temporary = target.with_name(f".{target.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        _copy_tree(source, temporary)
        for file in sorted(source.rglob("*")):
            copy = temporary / file.relative_to(source)
            if file.is_file() and sha256_of(file) != sha256_of(copy):
                raise OSError(f"the copy of {file} differs")
        temporary.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _copy_tree(source: Path, target: Path) -> None:
    shutil.copytree(source, target)


def _copy_fingerprints(cache: Path, folder: Path) -> None:
    """Copy the known hashes of the source files, so that they are not all hashed again."""
    known = cache / "fingerprints.json"
    if known.is_file():
        temporary = folder / f".fingerprints.{os.getpid()}.tmp"
        shutil.copyfile(known, temporary)
        temporary.replace(folder / known.name)
