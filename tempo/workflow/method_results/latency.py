"""Time networks and other methods side by side: milliseconds and frames a second by frame size."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tempo.core.errors import SpecError
from tempo.core.identity import short_hash
from tempo.core.records import Plan
from tempo.records.layout import Store, default_root
from tempo.records.method_results.latencies import LatencySession, network_key, save_session
from tempo.spec.data import views_of
from tempo.spec.study import RunConfig
from tempo.workflow.observer import Observer, advancing, shown

if TYPE_CHECKING:
    import pandas as pd

    from tempo.train.inference.latency import TimedNetwork

SIZES = {
    "480p": (480, 854),
    "720p": (720, 1280),
    "1080p": (1080, 1920),
    "2k": (1080, 2048),
    "4k": (2160, 3840),
}
"""Names of frame sizes: (height, width)."""

PRECISIONS = ("fp32", "tf32", "bf16", "fp16")

ON_GPU, ON_CPU = (50, 100), (2, 10)
"""Passes to warm up, and passes that count; those of a GPU are the field's (VFIMamba)."""

LARGEST = 16384
"""Pixels of the longer side of a frame: more than any camera's."""


def bench(
    what: str | Callable[..., Any] | Sequence[str | Callable[..., Any]],
    *,
    sizes: str | Sequence[str] = ("720p", "1080p"),
    precision: str | Sequence[str] = ("fp32",),
    device: str = "auto",
    threads: int | None = None,
    warmup: int | None = None,
    passes: int | None = None,
    profile: str | None = None,
    records: str | Path | None = None,
    observer: Observer | None = None,
) -> Latencies:
    """Time one predicted frame of networks and methods, in turn, so that they can be compared.

    Args:
        what: specs and studies (all their trained variants; their weights do not matter), and
            whatever `tempo.evaluate` takes: runs, files of weights, `average`, callables.
        sizes: `480p`, `720p`, `1080p`, `2k`, `4k`, or HEIGHTxWIDTH.
        precision: `fp32`, `tf32`, `bf16`, `fp16`; inside the network.
        device: `auto`, `cpu` or `cuda`; threads: CPU threads (None: all cores).
        warmup, passes: passes before those that count, and those (default: 50 and 100 on a GPU, 2
            and 10 on a CPU).
        records: where studies and runs are; the times of a study are kept there and enter its cost
            table.

    Raises:
        SpecError: a size, precision or number that cannot be.
        MissingError: the device is not there.
        RecordError: something is named that is nothing of this.

    >>> import tempo
    >>> found = tempo.bench("average", sizes="64x96", passes=3, observer=tempo.SilentObserver())
    >>> found.table()[["name", "size", "precision"]].values.tolist()
    [['average', '64x96', 'fp32']]
    """
    from tempo.spec.recipe import Runtime
    from tempo.train.hardware.device import available_cores, configure, device_name, pick_device
    from tempo.train.inference.latency import time_networks

    chosen_sizes = parse_sizes(sizes)
    names = _precisions(precision)
    store = Store(Path(records) if records is not None else default_root())
    given = [what] if isinstance(what, str) or callable(what) else list(what)
    if not given:
        raise SpecError("nothing is named to be timed: a spec, a study, a run or a method")
    chosen = pick_device(Runtime.model_validate({"device": device}))
    usual = ON_GPU if chosen.type == "cuda" else ON_CPU
    warm, counted = (
        default if asked is None else asked
        for asked, default in zip((warmup, passes), usual, strict=True)
    )
    if warm < 0 or counted < 1:
        raise SpecError(f"at least one pass counts and none is negative, not {warm} and {counted}")
    cores = threads or available_cores()
    configure(chosen, cores, "fp32")
    plans: list[Plan] = []
    networks = _distinct([one for each in given for one in _networks(each, profile, store, plans)])
    with advancing(shown(observer), "timing networks", "passes") as advance:
        rows = time_networks(
            networks, chosen_sizes, names, chosen, warmup=warm, passes=counted, tell=advance
        )
    session = LatencySession(
        device=device_name(chosen),
        threads=cores,
        warmup=warm,
        passes=counted,
        measured=time.time(),
        rows=rows,
    )
    kept = tuple(save_session(store, plan, session) for plan in plans)
    return Latencies(session, kept)


class Latencies:
    """Times of one session; `kept` are the files of the studies whose cost table they enter.

    >>> import tempo
    >>> found = tempo.bench("nearest", sizes="64x96", passes=2, observer=tempo.SilentObserver())
    >>> found.session.passes, found.kept
    (2, ())
    """

    def __init__(self, session: LatencySession, kept: Sequence[Path] = ()) -> None:
        self.session, self.kept = session, tuple(kept)

    def table(self) -> pd.DataFrame:
        """Return one row a network, size and precision.

        ms is the median, low and high are its quartiles, ratio is to the first network of the
        session, peak_mib is None on a CPU; problem says why there is no time.
        """
        import pandas as pd

        rows = [
            {
                "name": row.name,
                "size": size_name(row.size),
                "precision": row.precision,
                "ms": row.ms,
                "low": row.low,
                "high": row.high,
                "fps": row.fps,
                "ratio": row.ratio,
                "peak_mib": None if row.peak_memory is None else row.peak_memory / 2**20,
                "problem": row.problem,
            }
            for row in self.session.rows
        ]
        return pd.DataFrame(rows)

    def __repr__(self) -> str:
        return f"<Latencies, {len(self.session.rows)} rows>"

    def __str__(self) -> str:
        from tempo.report.tables.latencies import manner

        return f"{self.table().to_string(index=False, na_rep='-')}\n{manner(self.session)}"

    def _repr_html_(self) -> str:
        return str(self.table().to_html(index=False, na_rep="-"))


def size_name(size: tuple[int, int]) -> str:
    """Return `720p` for a size that has a name, else `HEIGHTxWIDTH`."""
    named = {pixels: name for name, pixels in SIZES.items()}
    return named.get(size, f"{size[0]}x{size[1]}")


def parse_sizes(given: str | Sequence[str]) -> list[tuple[int, int]]:
    """Return the (height, width) of each named size, each once.

    Raises:
        SpecError: naming the text that is no size, and the known names.
    """
    found: dict[tuple[int, int], None] = {}
    for text in map(str.lower, _texts(given)):
        match = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text)
        size = SIZES.get(text) or ((int(match[1]), int(match[2])) if match else (0, 0))
        if not 8 <= min(size) <= max(size) <= LARGEST:
            raise SpecError(
                f"a size is {', '.join(SIZES)} or HEIGHTxWIDTH with sides from 8 to {LARGEST}, "
                f"not {text!r}"
            )
        found[size] = None
    return list(found)


def _texts(given: str | Sequence[str]) -> list[str]:
    """Return what is named, apart by commas in one text or one by one."""
    texts = given.split(",") if isinstance(given, str) else given
    return [each.strip() for each in texts]


def _precisions(given: str | Sequence[str]) -> list[str]:
    names = list(dict.fromkeys(_texts(given)))
    for name in names:
        if name not in PRECISIONS:
            raise SpecError(f"a precision is one of {', '.join(PRECISIONS)}, not {name!r}")
    return names


def _networks(
    what: str | Callable[..., Any], profile: str | None, store: Store, plans: list[Plan]
) -> Iterator[TimedNetwork]:
    """Yield what a name means; a plan that it means is added to `plans`."""
    from tempo.train.inference.latency import TimedNetwork
    from tempo.workflow.names import find_methods

    plan = _plan(what, profile, store) if isinstance(what, str) else None
    if plan is not None:
        plans.append(plan)
        yield from _variants(plan)
        return
    for method in find_methods(what, store):
        key = short_hash({"method": method.name, **method.identity})
        yield TimedNetwork(name=method.name, network=key, load=method.load, views=method.views)


def _plan(name: str, profile: str | None, store: Store) -> Plan | None:
    from tempo.workflow.study import load_study

    if name.endswith((".yaml", ".yml")):
        return load_study(name, profile=profile, records=store.root).expanded
    return store.load_plan(name, profile) if name in store.studies() else None


def _variants(plan: Plan) -> Iterator[TimedNetwork]:
    """Yield the networks of the trained variants; times do not depend on their weights."""
    from tempo.train.inference.latency import TimedNetwork, load_untrained

    for variant in plan.variants:
        config = RunConfig.model_validate(dict(variant.config))
        if config.method != "network":
            continue
        yield TimedNetwork(
            name=variant.name,
            network=network_key(variant.config),
            load=partial(load_untrained, config.arch),
            views=views_of(config.data),
        )


def _distinct(networks: Sequence[TimedNetwork]) -> list[TimedNetwork]:
    """Return each network once; one that shares its name with another is named with its hash."""
    found: dict[tuple[str, str], TimedNetwork] = {(e.name, e.network): e for e in networks}
    names = [each.name for each in found.values()]
    return [
        replace(each, name=f"{each.name} {each.network}") if names.count(each.name) > 1 else each
        for each in found.values()
    ]
