"""Planted studies: records whose numbers are known, written by the generator of benchmarks/."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

GENERATOR = Path(__file__).parents[2] / "benchmarks" / "make_records.py"


def load() -> ModuleType:
    name = "make_records"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, GENERATOR)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


@pytest.fixture(scope="session")
def planted() -> ModuleType:
    return load()
