"""What the mirror's process imports of MLflow."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tempo.track.mlflow.lean_import import UNUSED, absent

SCRIPT = """
import sys
from pathlib import Path
from tempo.track.mlflow.client import prepare
from tempo.track.mlflow.lean_import import STORE, UNUSED
prepare("sqlite:///" + sys.argv[1] + "/store.db", Path(sys.argv[1]))
assert STORE in sys.modules
print(*(name for name in UNUSED if name in sys.modules))
import pandas, scipy
"""


def test_a_mirror_imports_no_pandas_and_others_still_can(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SCRIPT, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr


def test_what_was_imported_before_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in UNUSED:
        monkeypatch.delitem(sys.modules, name, raising=False)
    first, second, _ = UNUSED
    monkeypatch.setitem(sys.modules, first, sys)
    with absent(UNUSED):
        assert sys.modules[first] is sys
        with pytest.raises(ImportError):
            __import__(second)
    assert sys.modules[first] is sys
    assert second not in sys.modules
