"""Plug-ins of a spec: what they add, what is said of one that does not fit, and who uses which."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tempo.cli.main import main
from tempo.core.errors import PluginError, SpecError
from tempo.core.plugins import loading
from tempo.core.plugins.parts import parts
from tempo.design.expand import expand
from tempo.spec import arch_slots
from tempo.spec.load import load_study
from tempo.spec.metrics import METRIC_INFOS
from tempo.spec.study import RunConfig

STUDY = """
study: own
plugins: [./own_block.py]
arch: {base_channels: 4, blocks: [1, 1, 1, 1]}
data: {kind: procedural, size: [40, 40], train_clips: 8, val_clips: 2, test_clips: 2}
recipe: {budget: {steps: 2}, batch: 2, crop: 24}
runtime: {device: cpu}
variants: {plain: {}, own: {set: {arch: {block: own_kind}}}}
baseline: plain
"""

BLOCK = """
from typing import Literal
from tempo.plugins import Options, register

class Own(Options):
    kind: Literal["own_kind"] = "own_kind"
    size: int = 3

def make(options, site):
    from torch import nn
    return nn.Conv2d(site.channels, site.channels, options.size, padding=options.size // 2)

register("block", Own, make)
"""


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    """Take what a test's plug-ins added out again."""
    path = list(sys.path)
    yield
    for source in loading.loaded():
        loading.forget(source.name)
    sys.path[:] = path
    assert not parts()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "study.yaml").write_text(STUDY)
    (tmp_path / "own_block.py").write_text(BLOCK)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_part_of_a_file_can_be_named(folder: Path) -> None:
    plan = expand(load_study(folder / "study.yaml"))
    assert plan.variant("own").config["arch"]["block"] == {"kind": "own_kind", "size": 3}


def test_a_run_names_only_the_plugins_that_it_uses(folder: Path) -> None:
    plan = expand(load_study(folder / "study.yaml"))
    assert plan.variant("plain").config["plugins"] == []
    assert plan.variant("own").config["plugins"] == [{"name": "own_block", "root": str(folder)}]


def test_the_folder_is_no_part_of_a_runs_identity(folder: Path, tmp_path_factory: object) -> None:
    before = {run.run_id for run in expand(load_study(folder / "study.yaml")).runs}
    moved = folder / "moved"
    moved.mkdir()
    for name in ("study.yaml", "own_block.py"):
        (folder / name).rename(moved / name)
    assert {run.run_id for run in expand(load_study(moved / "study.yaml")).runs} == before


def test_a_plan_imports_no_torch_where_the_plugin_does_not(folder: Path) -> None:
    import subprocess

    code = (
        "import sys, tempo; tempo.load_study('study.yaml').plan(); "
        "assert 'own_block' in sys.modules; sys.exit('torch' in sys.modules)"
    )
    root = str(Path(__file__).parents[2])
    done = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": root}, check=False)
    assert done.returncode == 0


def test_a_recorded_config_imports_its_plugins(folder: Path) -> None:
    config = expand(load_study(folder / "study.yaml")).variant("own").config
    loading.forget("own_block")
    assert "own_kind" not in arch_slots.BLOCKS
    assert RunConfig.model_validate(config).arch.block.kind == "own_kind"  # type: ignore[union-attr]


def test_a_module_beside_the_spec_is_found_by_its_name(folder: Path) -> None:
    package = folder / "my_parts"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "blocks.py").write_text(BLOCK)
    text = STUDY.replace("./own_block.py", "my_parts.blocks")
    (folder / "study.yaml").write_text(text)
    plan = expand(load_study(folder / "study.yaml"))
    assert plan.variant("own").config["plugins"] == [
        {"name": "my_parts.blocks", "root": str(folder)}
    ]


def test_a_path_is_relative_to_the_file_that_names_it(folder: Path) -> None:
    (folder / "below").mkdir()
    (folder / "below/study.yaml").write_text("base: ../study.yaml\nstudy: other\n")
    assert load_study(folder / "below/study.yaml").spec.plugins[0].root == str(folder)


# --- a plug-in that changes -------------------------------------------------------------------


def stamp(folder: Path) -> str:
    return loading.PluginSource("own_block", str(folder)).stamp()


def test_comments_and_formatting_change_no_stamp_and_code_does(folder: Path) -> None:
    file = folder / "own_block.py"
    before = stamp(folder)
    file.write_text(BLOCK.replace("    size: int = 3", "    size: int = 3  # pixels\n\n"))
    assert stamp(folder) == before
    file.write_text(BLOCK.replace("size: int = 3", "size: int = 5"))
    assert stamp(folder) != before


def test_what_a_plugin_imports_beside_it_counts_too(folder: Path) -> None:
    (folder / "helper.py").write_text("WIDTH = 1\n")
    (folder / "other.py").write_text("WIDTH = 1\n")
    (folder / "own_block.py").write_text("import helper\n" + BLOCK)
    before = stamp(folder)
    (folder / "other.py").write_text("WIDTH = 2\n")
    assert stamp(folder) == before, "not imported"
    (folder / "helper.py").write_text("WIDTH = 2\n")
    assert stamp(folder) != before


def test_a_changed_file_is_imported_again(folder: Path) -> None:
    load_study(folder / "study.yaml")
    (folder / "own_block.py").write_text(BLOCK.replace("size: int = 3", "size: int = 5"))
    plan = expand(load_study(folder / "study.yaml"))
    assert plan.variant("own").config["arch"]["block"]["size"] == 5


def test_a_copy_in_another_folder_is_the_same_plugin(folder: Path) -> None:
    copy = folder / "copy"
    copy.mkdir()
    (copy / "study.yaml").write_text(STUDY)
    (copy / "own_block.py").write_text(BLOCK)
    load_study(folder / "study.yaml")
    assert expand(load_study(copy / "study.yaml")).variant("own")


# --- plug-ins that do not fit ---------------------------------------------------------------

WRONG = {
    "a syntax error": (
        BLOCK + "\ndef broken(:\n",
        r"the plug-in 'own_block' has a syntax error in line 15 of .*own_block\.py: invalid syntax",
    ),
    "an import that is missing": (
        "import nowhere_to_be_found\n" + BLOCK,
        r"cannot be imported: line 1 of .*own_block\.py: ModuleNotFoundError: No module named",
    ),
    "an error while it is imported": (
        BLOCK + "\n1 / 0\n",
        r"the plug-in 'own_block' cannot be imported: line 15 of .*: ZeroDivisionError",
    ),
    "a call that ends Python": (BLOCK + "\nraise SystemExit(3)\n", r"ended Python while"),
    "a wrong signature": (
        BLOCK.replace("def make(options, site)", "def make(options)"),
        r"does not fit: line 13 of .*: a block is made by calling \(options, site\), and "
        r"make\(options\) cannot be called so",
    ),
    "a name that Tempo has": (
        BLOCK.replace("own_kind", "swin"),
        r"the block name 'swin' is taken: Tempo has one; choose another name",
    ),
    "a name that is added twice": (
        BLOCK + '\nregister("block", Own, make)\n',
        r"the block name 'own_kind' is taken: the plug-in 'own_block' added one",
    ),
    "an unknown slot": (
        BLOCK.replace('register("block"', 'register("blok"'),
        r"unknown slot 'blok'; did you mean 'block'\?",
    ),
    "options without a name": (
        BLOCK.replace('    kind: Literal["own_kind"] = "own_kind"\n', ""),
        r"the options class Own has no name for specs; give it the field kind: Literal",
    ),
    "options of another class": (
        BLOCK.replace('register("block", Own', 'register("block", int'),
        r"the options of a block are a subclass of tempo\.plugins\.Options, not int",
    ),
    "a metric of three pictures": (
        "from tempo.plugins import register_metric\n"
        "def far(one, two, three): return one\n"
        "register_metric('far', far, better='lower', definition='x')\n",
        r"the metric 'far' is called with \(prediction, target\), and far\(one, two, three\)",
    ),
    "a metric that is there": (
        "from tempo.plugins import register_metric\n"
        "register_metric('psnr', max, better='lower', definition='x')\n",
        r"the metric name 'psnr' is taken: Tempo has one",
    ),
    "a method with other parameters": (
        "from tempo.plugins import register_method\nregister_method('mine', lambda frames: 0)\n",
        r"the method 'mine' is called with \(frames, times, target_time\)",
    ),
    "a data set without functions": (
        BLOCK.replace('register("block", Own, make)', 'register("data", Own, make)'),
        r"the data set 'own_kind' needs the functions check_available\(options, splits\)",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_plugin_is_one_sentence_with_its_place(
    folder: Path, what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, sentence = WRONG[what]
    (folder / "own_block.py").write_text(code)
    with pytest.raises(SpecError, match=sentence) as raised:
        load_study(folder / "study.yaml")
    assert str(raised.value).startswith(f"{folder / 'study.yaml'}:3:11: ")
    assert "\n" not in str(raised.value)
    assert not parts() and "own_block" not in sys.modules, "nothing half-written"
    assert main(["run", "study.yaml"]) == 2
    assert capsys.readouterr().err.startswith("error: study.yaml:3:11: the plug-in 'own_block'")
    assert not (folder / "records").exists()


@pytest.mark.parametrize(
    ("listed", "sentence"),
    [
        (
            "./nowhere.py",
            r"there is no plug-in file .*nowhere\.py \('\./nowhere\.py' is taken relat",
        ),
        ("nowhere", r"there is no module 'nowhere': no package 'nowhere' is installed"),
        ("not-a-name", r"the name of a module, such as .*; 'not-a-name' is neither"),
        ("./study.yaml", r"a plug-in is a Python file \(\.py\), not study\.yaml"),
        ("json.nothing", r"there is no module 'json\.nothing'"),
        ("3", r"a plug-in is the name of a module or the path of a file, not 3"),
    ],
)
def test_what_is_listed_must_be_there(folder: Path, listed: str, sentence: str) -> None:
    (folder / "study.yaml").write_text(STUDY.replace("./own_block.py", listed))
    with pytest.raises(SpecError, match=sentence):
        load_study(folder / "study.yaml")


def test_two_files_of_one_name_are_told_apart(folder: Path) -> None:
    (folder / "json.py").write_text(BLOCK)
    (folder / "study.yaml").write_text(STUDY.replace("own_block", "json"))
    with pytest.raises(SpecError, match=r"a module 'json' is imported already.*another name"):
        load_study(folder / "study.yaml")


def test_a_text_that_leads_nowhere_is_said_where_the_part_is_made(folder: Path) -> None:
    from tempo.models.blocks import BLOCKS

    (folder / "own_block.py").write_text(
        BLOCK.replace('register("block", Own, make)', 'register("block", Own, "own_block:mke")')
    )
    load_study(folder / "study.yaml")
    with pytest.raises(PluginError, match=r"unknown name in own_block, 'mke'; did you mean 'make'"):
        BLOCKS.of(arch_slots.BLOCKS.get("own_kind")())


# --- networks, metrics, methods ----------------------------------------------------------------


def plan_with(folder: Path, changes: str) -> object:
    (folder / "study.yaml").write_text(STUDY + changes)
    return expand(load_study(folder / "study.yaml"))


def test_fields_of_tempo_never_mix_with_those_of_another_network(folder: Path) -> None:
    (folder / "my_net.py").write_text("")
    text = STUDY.replace("[./own_block.py]", "[./own_block.py, ./my_net.py]").replace(
        "own: {set", "net: {set: {arch: {kind: module, target: 'my_net:Net'}}}, own: {set"
    )
    (folder / "study.yaml").write_text(text)
    plan = expand(load_study(folder / "study.yaml"))
    assert plan.variant("net").config["arch"] == {
        "kind": "module",
        "target": "my_net:Net",
        "options": {},
    }
    assert plan.variant("net").config["plugins"] == [{"name": "my_net", "root": str(folder)}]
    assert plan.variant("own").config["plugins"] == [{"name": "own_block", "root": str(folder)}]


def test_options_of_a_network_are_factors(folder: Path) -> None:
    (folder / "my_net.py").write_text("")
    text = STUDY.replace("arch: {base_channels: 4, blocks: [1, 1, 1, 1]}", "").replace(
        "variants: {plain: {}, own: {set: {arch: {block: own_kind}}}}\nbaseline: plain\n", ""
    )
    text += """
arch: {kind: module, target: "my_net:Net", options: {width: 8}}
factors: {depth: {path: arch.options.depth, levels: {two: 2, four: 4}}}
design: [{kind: factorial, factors: [depth]}]
"""
    (folder / "study.yaml").write_text(text.replace("own_block", "my_net"))
    plan = expand(load_study(folder / "study.yaml"))
    options = [each.config["arch"]["options"] for each in plan.variants if each.levels]
    assert options == [{"width": 8, "depth": 2}, {"width": 8, "depth": 4}]
    assert len({run.run_id for run in plan.runs}) == len(plan.runs)


@pytest.mark.parametrize(
    ("arch", "sentence"),
    [
        (
            "{kind: modul}",
            r"unknown network kind 'modul'; did you mean 'module'\? \(known: tempo, m",
        ),
        ("{kind: module}", r"arch needs 'target'"),
        ("{kind: module, target: net}", r"target is `module:name`, such as my_net:MyNetwork, not"),
        ("{kind: module, target: 'a:B', widht: 3}", r"unknown key of arch: 'widht'"),
        ("{kind: module, target: 'nowhere:Net'}", r"there is no module 'nowhere'"),
    ],
)
def test_a_wrong_network_is_one_sentence(folder: Path, arch: str, sentence: str) -> None:
    text = STUDY.replace("own: {set: {arch: {block: own_kind}}}", f"own: {{set: {{arch: {arch}}}}}")
    (folder / "study.yaml").write_text(text)
    with pytest.raises(SpecError, match=sentence):
        expand(load_study(folder / "study.yaml"))


METRIC = """
from tempo.plugins import register_metric, register_method
def far(prediction, target):
    return (prediction - target).abs().flatten(1).amax(1)
register_metric("far", far, better="lower", definition="largest difference")
register_method("first", lambda frames, times, target_time: frames[:, 0])
"""


def test_metrics_and_methods_of_plugins_can_be_named(folder: Path) -> None:
    (folder / "own_block.py").write_text(BLOCK + METRIC)
    (folder / "study.yaml").write_text(
        STUDY + "evaluation: {metrics: [psnr, far], select_by: far}\nreferences: [first, average]\n"
        "verdict: {metrics: [psnr, far]}\n"
    )
    plan = expand(load_study(folder / "study.yaml"))
    assert METRIC_INFOS.get("far").better == "lower"
    assert [each.name for each in plan.variants if each.role == "reference"] == ["first", "average"]
    # A metric judges every run, and so is part of how each was made.
    assert all(each.config["plugins"] for each in plan.variants)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("select_by: psn", r"unknown metric 'psn'; did you mean 'psnr'\?"),
        ("select_by: tof", r"tof needs more frames than a validation predicts"),
    ],
)
def test_a_checkpoint_is_chosen_by_what_a_validation_measures(
    folder: Path, line: str, sentence: str
) -> None:
    (folder / "study.yaml").write_text(STUDY + f"evaluation: {{{line}}}\n")
    with pytest.raises(SpecError, match=sentence):
        load_study(folder / "study.yaml")
