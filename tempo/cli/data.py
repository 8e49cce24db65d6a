"""`tempo data`: prepare data sets and look at them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tempo.cli import options as shared
from tempo.cli.worker import default_cache
from tempo.core.catalog import unknown
from tempo.core.errors import SpecError, UnknownNameError
from tempo.spec.data import DATASETS
from tempo.spec.options import Options

EPILOG = """examples:
  tempo data prepare vimeo90k --root /data/vimeo_triplet
  tempo data prepare experiments/tempo_v3.yaml
  tempo data prepare snu_film --root /data/snu_film
  tempo data info video --root clips --set size=[256,448]
  tempo data info x_test --sample 20

A name is a kind of training data (procedural, video, frames, vimeo90k, vimeo90k_septuplet,
x4k1000fps) or a test set (ucf101, middlebury, snu_film, xiph, x_test, x_test_2k, davis).
"""

PREPARE = """Check lists and files, and build the cache of decoded pictures that training reads.
Shards that are whole stay; an interrupted build goes on where it stopped. Clips that cannot be read
are listed, and tried again by the next call. A test set has no cache: its pictures are all read
once, so that no evaluation meets a broken one."""

INFO = """Say how large a data set is, where its clips come from and how far things move in them,
and draw a contact sheet."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a command works on: training data, or test sets by name."""

    training: tuple[Options, ...] = ()
    tests: tuple[str, ...] = ()


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = "Prepare data sets, and look at them."
    parser.epilog = EPILOG
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, text, add, handler in (
        ("prepare", PREPARE, _add_prepare, _prepare),
        ("info", INFO, _add_info, _info),
    ):
        one = commands.add_parser(
            name,
            help=text.partition(".")[0],
            description=text,
            epilog=EPILOG,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        _add_common(one)
        add(one)
        one.set_defaults(handler=handler)


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", metavar="NAME|SPEC", help="a data set's name, or a YAML file")
    parser.add_argument("--root", metavar="DIR", help="where the data set's files are")
    parser.add_argument("--profile", help="with a spec: overlay one of its profiles")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        dest="overrides",
        metavar="KEY=VALUE",
        help="an option of the data set, or a value of the spec, as YAML",
    )
    parser.add_argument("--cache", type=Path, default=default_cache(), metavar="DIR")
    parser.add_argument(
        "--jobs", type=shared.positive, help="cores to use (default: all that are available)"
    )
    parser.add_argument("--json", action="store_true", help="print everything as JSON")


def _add_prepare(parser: argparse.ArgumentParser) -> None:
    """Nothing beside the common options."""


def _add_info(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--split", action="append", choices=("train", "val", "test"), default=[])
    parser.add_argument(
        "--sample",
        type=shared.positive,
        default=100,
        metavar="N",
        help="clips of each split whose motion is measured (default: %(default)s)",
    )
    parser.add_argument(
        "--sheet", type=Path, metavar="PNG", help="default: in the cache, named by the data set"
    )


def wanted(options: argparse.Namespace) -> Wanted:
    """What NAME|SPEC means.

    Raises:
        UnknownNameError: neither a data set nor a file.
        SpecError: options that the data set does not have, or that do not fit.
    """
    from tempo.data.testsets import FAMILIES, TEST_SETS, expand_names

    name = str(options.what)
    if name in DATASETS:
        return Wanted(training=(_by_name(name, options.root, options.overrides),))
    if name in TEST_SETS or name in FAMILIES:
        if options.overrides:
            raise SpecError(f"a test set has no options: its protocol is fixed ({name})")
        return Wanted(tests=tuple(expand_names([name])))
    path = Path(name)
    if path.suffix in (".yaml", ".yml") or path.is_file():
        return Wanted(training=_of_spec(path, options))
    raise UnknownNameError(unknown("data set", name, [*DATASETS, *TEST_SETS, *FAMILIES]))


def _by_name(kind: str, root: str | None, overrides: Sequence[str]) -> Options:
    """The options of a kind of data set, from the command line."""
    from tempo.spec.yaml.error_text import validate
    from tempo.spec.yaml.problems import Problems
    from tempo.spec.yaml.strict_yaml import read_tree
    from tempo.spec.yaml.value_tree import Entry, Mapped, Scalar

    tree = read_tree(f"kind: {kind}", "the command line")
    assert isinstance(tree, Mapped)
    place = tree.place
    if root is not None:
        tree = tree.with_entry("root", Entry(place, Scalar(root, place)))
    for text in overrides:
        key, equals, value = text.partition("=")
        if not equals:
            raise SpecError(f"--set is KEY=VALUE, not {text!r}")
        node = read_tree(value, f"--set {key}")
        if node is None:
            raise SpecError(f"--set {key} has no value")
        tree = tree.with_entry(key, Entry(node.place, node))
    problems = Problems()
    made = validate(DATASETS.get(kind), tree, problems)
    problems.raise_any()
    assert made is not None
    return made


def _of_spec(path: Path, options: argparse.Namespace) -> tuple[Options, ...]:
    """The distinct data sets of a spec's variants."""
    from tempo.design.expand import expand
    from tempo.spec.load import load_study
    from tempo.spec.study import RunConfig

    overrides = list(options.overrides)
    if options.root is not None:
        overrides.append(f"data.root={options.root}")
    plan = expand(load_study(path, profile=options.profile, overrides=overrides))
    found: dict[str, Options] = {}
    for variant in plan.variants:
        data = RunConfig.model_validate(variant.config).data
        found[data.model_dump_json()] = data
    return tuple(found.values())


def _prepare(options: argparse.Namespace) -> int:
    from tempo.cli.data_prepare import prepare_all

    return prepare_all(wanted(options), options)


def _info(options: argparse.Namespace) -> int:
    from tempo.cli.data_info import describe_all

    return describe_all(wanted(options), options)
