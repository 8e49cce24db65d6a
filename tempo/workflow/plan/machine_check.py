"""Check before training that the machine has what a study needs and that every variant works."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tempo.core.errors import MissingError, SpecError, TempoError
from tempo.core.records import Plan
from tempo.design.expand import expand
from tempo.design.measurements import Undecided, Width
from tempo.launch.accounting.gpu_usage import lacks_gpu_driver
from tempo.launch.launchers.worker_processes import SERVER_GONE, NewProcesses, WorkerStart
from tempo.records.layout import Store
from tempo.spec.data import DATASETS, recorded_data
from tempo.spec.load import load_study
from tempo.workflow.observer import Observer, advancing
from tempo.workflow.plan.start_costs import networks_behind
from tempo.workflow.suggestions import suggested


class Checked(NamedTuple):
    """What a checked machine offers a study.

    `slots`: the environment of each place where a run can execute, side by side. `weights`: about
    how much work a training clip is, by variant (0 for a method without weights). `device`: the
    name of the device that runs get, as prices know it.
    """

    slots: tuple[Mapping[str, str], ...]
    weights: Mapping[str, float]
    device: str = "cpu"


NEW = NewProcesses()

NO_DRIVER = (
    "runtime.device is cuda, and this machine has no CUDA device: it has no driver of a GPU (set "
    "runtime.device to auto or cpu)"
)

PLANNED = ""
"""Stands for the plan itself among names of profiles; none is empty."""


def configs_of(plan: Plan, names: Iterable[str] | None = None) -> dict[str, Mapping[str, Any]]:
    """Config by variant, of all variants or of those in `names`."""
    chosen = None if names is None else set(names)
    return {v.name: v.config for v in plan.variants if chosen is None or v.name in chosen}


def check(
    plan: Plan,
    variants: Iterable[str],
    cache: Path,
    records: Path,
    observer: Observer,
    start: WorkerStart = NEW,
) -> Checked:
    """Check the machine, build the data caches and rehearse `variants`.

    `records` is where the user keeps them, for the runs whose weights are taken and for the
    commands that an error suggests; `start` starts the worker that looks.

    Raises:
        MissingError: the machine lacks something; names the profiles that would run here.
        SpecError: a variant cannot be built, trained a step or evaluated.
        TempoError: its data cannot be prepared.
    """
    configs = configs_of(plan, variants)
    # Looked for here, because a worker takes seconds to import what it needs for the rest.
    if absent := _absent(configs.values()):
        raise MissingError(_explain(plan, absent, cache, records, observer.note, configs.values()))
    laws = plan.spec.get("laws", "warning")
    request = {
        "missing": {"": list(configs.values())},
        "rehearse": configs,
        "parents": networks_behind(plan, configs, Store(records)),
        "laws": laws != "off",
    }
    missing: list[str] = []
    broken: list[str] = []
    unlawful: list[str] = []
    slots: list[dict[str, str]] = []
    weights: dict[str, float] = {}
    device = "cpu"
    with advancing(observer, "preparing data", "clips") as advance:
        for answer in _ask(request, cache, start):
            missing += answer.get("sentences", ())
            slots += answer.get("slots", ())
            device = answer.get("device", device)
            if "rehearsed" in answer:
                weights[answer["rehearsed"]] = answer["weight"]
            elif "broken" in answer:
                broken.append(f"variant {answer['broken']!r}: {answer['message']}")
            elif "unlawful" in answer:
                unlawful.append(f"variant {answer['unlawful']!r}: {answer['message']}")
            elif "unprepared" in answer:
                raise TempoError(answer["unprepared"])
            elif "prepare" in answer:
                advance(answer["done"], answer["total"])
    if missing:
        raise MissingError(_explain(plan, missing, cache, records, observer.note))
    if broken:
        raise SpecError(
            "these variants do not work, nothing was trained:\n  " + "\n  ".join(broken)
        )
    if unlawful and laws == "error":
        raise SpecError(
            "these variants break laws of networks, nothing was trained (`laws: warning` only says "
            "so):\n  " + "\n  ".join(unlawful)
        )
    for sentence in unlawful:
        observer.note(f"warning: {sentence}")
    return Checked(tuple(slots), weights, device)


def find_slots(plan: Plan, cache: Path, start: WorkerStart = NEW) -> Checked:
    """Return what the machine offers to runs of a plan of which nothing is left to train."""
    slots: list[dict[str, str]] = []
    device = "cpu"
    request = {"missing": {}, "rehearse": {}, "slots": list(configs_of(plan).values())}
    for answer in _ask(request, cache, start):
        slots += answer.get("slots", ())
        device = answer.get("device", device)
    return Checked(tuple(slots) or ({},), {}, device)


def _absent(configs: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return a sentence for each data set, and for a GPU, that this machine lacks for certain."""
    configs = list(configs)
    found = _absent_data(configs)
    if any(config["runtime"]["device"] == "cuda" for config in configs) and lacks_gpu_driver():
        found.append(NO_DRIVER)
    return found


def _absent_data(configs: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return a sentence for each data set of `configs` that is not on this machine."""
    from tempo.data.open_dataset import check_available
    from tempo.spec.options import parse_slot

    found: dict[str, None] = {}
    distinct = {json.dumps(each, sort_keys=True) for config in configs for each in _data_of(config)}
    for data in sorted(distinct):
        try:
            check_available(parse_slot(DATASETS, json.loads(data)))
        except MissingError as error:
            found[str(error)] = None
    return list(found)


def _data_of(config: Mapping[str, Any]) -> list[Any]:
    """Return every data set of a config as JSON values, as `RunConfig.datasets` does."""
    data = config["data"]
    later = (stage["data"] for stage in config["recipe"].get("stages", ()))
    judged = {split: recorded_data(data, split) for split in ("val", "test")}
    return [
        data,
        *(
            {"kind": "separate", "train": recorded_data(each, "train"), **judged}
            for each in later
            if each is not None
        ),
    ]


def find_width(asked: Mapping[str, Any], cache: Path) -> Width:
    """The width at which the network of `asked["config"]` has the parameters or the MACs, as
    `asked["by"]` says, of that of `asked["target"]`, at the training crop of each."""
    (answer,) = _ask({"missing": {}, "rehearse": {}, "widths": [asked]}, cache)
    return Width(**answer["width"])


def _ask(
    request: Mapping[str, Any], cache: Path, start: WorkerStart = NEW
) -> Iterator[dict[str, Any]]:
    """Have a preflight worker look and yield its answers."""
    arguments = ["preflight", "--cache", str(cache), "--with-parent"]
    with start.ask(arguments, json.dumps(request)) as worker:
        for line in worker.answers:
            yield json.loads(line)
        if (code := worker.wait()) != 0:
            raise TempoError(_crashed(code, worker.complaints()))


def _crashed(code: int, said: str) -> str:
    """Say how a preflight worker ended without an answer."""
    if code < 0 or code == SERVER_GONE:
        name = signal.Signals(-code).name if -code in {*signal.Signals} else f"signal {-code}"
        if code == SERVER_GONE:
            name = "the end of the server that it was forked from"
        return (
            f"the check before training was ended by {name}, by a person or by a system short of "
            "memory; nothing was begun, and the same command tries again"
            + (f":\n{said}" if said else "")
        )
    return f"the check before training crashed:\n{said}"


def _explain(
    plan: Plan,
    missing: Sequence[str],
    cache: Path,
    records: Path,
    say: Callable[[str], None],
    unasked: Iterable[Mapping[str, Any]] = (),
) -> str:
    """Return what this machine lacks, and the commands of the profiles that would run here.

    `unasked` are configs of which a worker has not said yet what they lack beside their data.
    """
    first = missing[0].partition("; ")[0]
    waiting = f"Missing here: {first}. Looking which profile would run ..."
    fitting, more = _fitting_profiles(plan, cache, list(unasked), lambda: say(waiting))
    # Of a GPU without its driver a worker says that torch finds none: that is said already.
    said = "runtime.device is cuda" if NO_DRIVER in missing else None
    more = [each for each in more if said is None or not each.startswith(said)]
    missing = list(dict.fromkeys((*missing, *more)))
    wanted = f"{plan.study} ({'profile ' + plan.profile if plan.profile else 'full size'})"
    text = f"{wanted} cannot run on this machine:\n  " + "\n  ".join(missing)
    if fitting:
        commands = [
            suggested("run", plan.source, "--profile", name, records=records) for name in fitting
        ]
        return text + "\nThis would run here:\n  " + "\n  ".join(commands)
    return text + "\nNo other profile of this spec would run here either."


def _fitting_profiles(
    plan: Plan, cache: Path, unasked: list[Mapping[str, Any]], waits: Callable[[], None]
) -> tuple[list[str], list[str]]:
    """The other profiles of the plan's spec that lack nothing here, and what `unasked` lack.

    A worker takes seconds, which `waits` says, so none is started where only data can be lacking.
    """
    source = Path(plan.source)
    names = [name for name in load_study(source).profiles if name != plan.profile]
    asked = {}
    for name in names:
        # What it needs does not depend on what its budgets and widths will turn out to be.
        other = expand(load_study(source, profile=name), Undecided())
        configs = list(configs_of(other).values())
        if not _absent(configs):
            asked[name] = configs
    cuda = any(config["runtime"]["device"] == "cuda" for config in unasked)
    if asked or (cuda and not lacks_gpu_driver()):
        asked[PLANNED] = unasked
    if not asked:
        return [], []
    waits()
    answers = _ask({"missing": asked, "rehearse": {}}, cache)
    lacking = {answer["missing"]: answer["sentences"] for answer in answers if "missing" in answer}
    fitting = [name for name in names if not lacking.get(name, ["unknown"])]
    return fitting, lacking.get(PLANNED, [])
