"""Whatever a file of records holds, its reader returns or refuses with a sentence, and soon.

The mutations are the same on every run; `make fuzz MINUTES=n` draws new ones. A find becomes an
`example` here.
"""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings

from tempo.core.errors import FormatError, RecordError

from .damages import DAMAGES
from .mutations import mutated, mutations
from .readers import READERS, write_sound

LONGEST = 30


@pytest.fixture(scope="session")
def files(sound: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a sound file of every kind; to be copied, never changed."""
    root = tmp_path_factory.mktemp("readers") / "records"
    write_sound(root, sound)
    return root


@pytest.fixture(autouse=True)
def _no_hang() -> Iterator[None]:
    def ring(*ignored: object) -> None:
        raise AssertionError(f"a reader hangs: {LONGEST} seconds have passed")

    before = signal.signal(signal.SIGALRM, ring)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def read(kind: str, path: Path) -> bool:
    """Read a file of a kind; whether it was taken. Any other exception is a fault."""
    signal.setitimer(signal.ITIMER_REAL, LONGEST)
    try:
        READERS[kind][1](path)
    except (RecordError, FormatError) as error:
        assert str(error).isprintable(), error
        return False
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return True


def placed(files: Path, kind: str, target: Path, content: bytes) -> Path:
    """Write a file of this content where records have it, among sound ones."""
    if not target.exists():
        shutil.copytree(files, target)
    path = target / READERS[kind][0]
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("kind", READERS)
def test_sound_files_are_read(kind: str, files: Path) -> None:
    assert read(kind, files / READERS[kind][0])


FORGIVING = {"rows", "motions", "mirror", "invocation", "checkpoint", "pruned"}
"""What losing costs time at most: damaged, it counts as absent. Of a damaged checkpoint the one
before is taken."""


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("kind", READERS)
def test_every_damage_is_named_by_the_reader(
    kind: str, damage: str, files: Path, tmp_path: Path
) -> None:
    path = placed(files, kind, tmp_path / "records", (files / READERS[kind][0]).read_bytes())
    DAMAGES[damage](path)
    taken = read(kind, path)
    irregular = damage in {"folder", "named pipe", "link to itself", "device", "socket", "huge"}
    if irregular and kind not in FORGIVING:
        assert not taken
    if damage in {"garbage", "zeros", "nested"} and kind not in FORGIVING:
        assert not taken, damage


@pytest.mark.parametrize("kind", READERS)
@settings(suppress_health_check=list(HealthCheck), max_examples=settings.default.max_examples // 4)
@given(changes=mutations())
@example(changes=[("replace value", 0.0, b"9" * 5000)])
@example(changes=[("replace value", 0.5, b'{"float": []}')])
def test_mutated_files_are_read_or_named(
    kind: str,
    changes: list[tuple[str, float, bytes]],
    files: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    target = tmp_path_factory.getbasetemp() / f"mutated-{kind}"
    content = mutated((files / READERS[kind][0]).read_bytes(), changes)
    path = placed(files, kind, target, content)
    read(kind, path)
