"""Names that lead out of their folder, from specs, commands and records."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tempo.cli.main import main
from tempo.core.errors import PathNameError, RecordError, SpecError
from tempo.core.identity import LONGEST_PATH_NAME, file_name, folded, path_name
from tempo.design.expand import expand
from tempo.records.layout import Store
from tempo.spec.load import load_study

OUTWARD = ("../../../../name", "..", ".", "", "/etc/passwd", "a/b", "a\\b", "a\0b", "~", "-x")

SPEC = """
study: names
arch: {base_channels: 4}
data: {kind: procedural, size: [32, 32], train_clips: 8, val_clips: 2, test_clips: 2}
recipe: {budget: {steps: 2}, batch: 2, crop: 16}
variants: {V2: {}, small: {set: {arch.base_channels: 8}}}
baseline: V2
"""


def spec(folder: Path, text: str) -> Path:
    path = folder / "names.yaml"
    path.write_text(text)
    return path


@given(st.text(max_size=100))
def test_what_passes_is_one_name_of_its_own_folder(name: str) -> None:
    try:
        path_name(name, "name")
    except PathNameError as error:
        assert "cannot be the name of a file or folder" in str(error)
        return
    path = Path("/records/studies") / name
    assert path.parent == Path("/records/studies") and path.name == name
    assert len(name.encode()) <= LONGEST_PATH_NAME and "\n" not in name


@given(st.text(max_size=200))
def test_a_label_becomes_a_name_that_passes(label: str) -> None:
    assert path_name(file_name(label), "label")


@pytest.mark.parametrize("name", OUTWARD)
def test_names_that_lead_out_are_refused_everywhere(name: str, tmp_path: Path) -> None:
    store = Store(tmp_path / "records")
    plan = replace(expand(load_study(spec(tmp_path, SPEC))), profile=name or None)
    with pytest.raises(PathNameError):
        store.run_dir(name)
    with pytest.raises(PathNameError):
        store.study_dir(name)
    if name:
        with pytest.raises(PathNameError):
            store.save_plan(plan)
        with pytest.raises(PathNameError):
            store.load_plan("s", name)
    assert [path.name for path in tmp_path.rglob("*")] == ["names.yaml"]


@pytest.mark.parametrize("name", ["-x", "~", "../../outside", "a/b"])
def test_the_profile_that_was_run_last_is_held_to_the_rule(name: str, tmp_path: Path) -> None:
    """Even where a plan lies at the place that the file `current` leads to."""
    store = Store(tmp_path / "records")
    store.save_plan(expand(load_study(spec(tmp_path, SPEC))))
    folder = store.study_dir("names")
    planted = folder / "plans" / f"{name}.json"
    planted.parent.mkdir(exist_ok=True)
    planted.write_bytes((folder / "plans" / "default.json").read_bytes())
    (folder / "current").write_text(f"{name}\n")
    with pytest.raises(RecordError, match="cannot be the name of a file or folder") as caught:
        store.load_plan("names")
    assert "choose one with --profile" in str(caught.value)
    assert store.load_plan("names", "default").study == "names"


@pytest.mark.parametrize("name", ["../../../../name", "..", "a/b", "."])
def test_commands_refuse_them_in_a_sentence(
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    inside = tmp_path / "inside" / "deep" / "deeper"
    inside.mkdir(parents=True)
    monkeypatch.chdir(inside)
    path = spec(inside, f"{SPEC}profiles: {{{name!r}: {{seeds: 1}}}}\n")
    before = sorted(tmp_path.rglob("*"))
    for command in (
        ["run", str(path), "--profile", name],
        ["plan", str(path), "--profile", name],
        ["status", name],
        ["compare", name],
        ["logs", name],
        ["stop", name],
        ["sync", name],
    ):
        assert main(command) == 2, command
        said = capsys.readouterr()
        assert said.err.startswith("error: ") and "Traceback" not in said.err, command
    assert sorted(path for path in tmp_path.rglob("*") if path.suffix != ".db") == before


def test_profiles_and_variants_that_differ_in_case_alone_are_refused(tmp_path: Path) -> None:
    path = spec(tmp_path, f"{SPEC}profiles: {{Demo: {{seeds: 1}}, demo: {{seeds: 2}}}}\n")
    with pytest.raises(SpecError, match="differ in upper and lower case alone"):
        load_study(path)
    path = spec(tmp_path, SPEC.replace("small:", "v2:"))
    with pytest.raises(SpecError, match="'V2' and 'v2' differ in upper and lower case alone"):
        expand(load_study(path))


def test_studies_that_differ_in_case_alone_are_refused(tmp_path: Path) -> None:
    store = Store(tmp_path)
    plan = expand(load_study(spec(tmp_path, SPEC)))
    store.save_plan(plan)
    store.save_plan(plan)
    other = expand(load_study(spec(tmp_path, SPEC.replace("study: names", "study: Names"))))
    with pytest.raises(RecordError, match="differs from that name in upper and lower case alone"):
        store.save_plan(other)


def test_one_name_in_two_forms_of_unicode_is_one() -> None:
    assert folded("V2") == folded("v2") == folded("Ｖ２")
    assert folded("straße") == folded("STRASSE")
    with pytest.raises(PathNameError):
        path_name("e\u0301", "profile")
