"""Build Optuna's sampler from the spec's, and the sequences that are fixed beforehand.

Every ask gets a fresh sampler under a seed of its own, derived from the ticket. So what is
proposed depends on the finished trials and the ticket alone, and a search that was resumed
proposes, with one worker, what an undisturbed one does. Grids and Sobol points depend on nothing
but the ticket.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from typing import Any

import numpy as np
from optuna import distributions, samplers
from optuna.trial import Trial

from tempo.core.errors import SpecError
from tempo.core.seeding import stream
from tempo.spec import search_section as spec
from tempo.spec.options import Options
from tempo.tuning.space import Parameter, Params, Space

GRID_LIMIT = 100_000
"""The most points of a grid that are worth listing."""

SOBOL_BITS = 12
SOBOL_POINTS = 2**SOBOL_BITS
"""Points of a Sobol sequence that are worked out."""

Make = Callable[[Any, int], samplers.BaseSampler]


def _random(options: Options, seed: int) -> samplers.BaseSampler:
    return samplers.RandomSampler(seed=seed)


MAKERS: dict[type[Options], Make] = {
    spec.Tpe: lambda options, seed: samplers.TPESampler(
        n_startup_trials=options.startup,
        n_ei_candidates=options.candidates,
        multivariate=True,
        group=True,
        seed=seed,
    ),
    spec.Gp: lambda options, seed: samplers.GPSampler(
        n_startup_trials=options.startup, seed=seed, warn_independent_sampling=False
    ),
    spec.CmaEs: lambda options, seed: samplers.CmaEsSampler(
        n_startup_trials=options.startup, seed=seed, warn_independent_sampling=False
    ),
    spec.Nsga2: lambda options, seed: samplers.NSGAIISampler(
        population_size=options.population, seed=seed
    ),
    spec.RandomSearch: _random,
    spec.Grid: _random,
    spec.Qmc: _random,
}


def make_sampler(options: Options, *names: str | int, seed: int) -> samplers.BaseSampler:
    """Return the sampler for one ask."""
    return MAKERS[type(options)](options, stream(seed, "ask", *names) % 2**31)


def distribution(parameter: Parameter) -> distributions.BaseDistribution:
    """Return a factor's distribution in Optuna; levels are represented by their labels."""
    if parameter.range is None:
        return distributions.CategoricalDistribution(parameter.levels)
    low, high, step = parameter.range.low, parameter.range.high, parameter.range.step
    if step is not None:
        high = low + step * int((high - low) / step * (1 + 1e-12))
    log = parameter.range.log
    if parameter.range.whole:
        return distributions.IntDistribution(int(low), int(high), log=log, step=int(step or 1))
    return distributions.FloatDistribution(low, high, log=log, step=step)


def suggest(trial: Trial, space: Space) -> Params:
    """Let the sampler assign a value to every factor that applies."""
    return space.assigned(partial(_suggest, trial))


def _suggest(trial: Trial, parameter: Parameter) -> str | float:
    made = distribution(parameter)
    if isinstance(made, distributions.CategoricalDistribution):
        return trial.suggest_categorical(parameter.name, parameter.levels)
    if isinstance(made, distributions.IntDistribution):
        return trial.suggest_int(parameter.name, made.low, made.high, step=made.step, log=made.log)
    assert isinstance(made, distributions.FloatDistribution)
    return trial.suggest_float(parameter.name, made.low, made.high, step=made.step, log=made.log)


def grid(space: Space, options: spec.Grid, seed: int) -> Sequence[Params]:
    """Return each combination of factors once, shuffled; raise SpecError above `GRID_LIMIT`."""
    points = list(itertools.islice(_walk(space.parameters, options, {}), GRID_LIMIT + 1))
    if len(points) > GRID_LIMIT:
        raise SpecError(f"the grid has more than {GRID_LIMIT} points; use `qmc`", space.place)
    random.Random(stream(seed, "grid")).shuffle(points)
    return points


def _walk(parameters: Sequence[Parameter], options: spec.Grid, chosen: Params) -> Iterator[Params]:
    if not parameters:
        yield chosen
        return
    first, rest = parameters[0], parameters[1:]
    if not first.applies(chosen):
        yield from _walk(rest, options, chosen)
        return
    for value in _values(first, options.points):
        yield from _walk(rest, options, {**chosen, first.name: value})


def _values(parameter: Parameter, points: int) -> Sequence[str | float]:
    """Return a factor's levels, or evenly spread values of its range, ends included."""
    if parameter.range is None:
        return parameter.levels
    made = distribution(parameter)
    assert isinstance(made, distributions.FloatDistribution | distributions.IntDistribution)
    if made.step is not None and parameter.range.step is not None:
        count = round((made.high - made.low) / made.step) + 1
        values = [made.low + made.step * index for index in range(count)]
    else:
        spread = np.geomspace if parameter.range.log else np.linspace
        values = [float(value) for value in spread(made.low, made.high, points)]
    if parameter.range.whole:
        return list(dict.fromkeys(round(value) for value in values))
    return [parameter.rounded(value) for value in values]


@cache
def _sobol(dimensions: int, seed: int) -> Any:
    from scipy.stats import qmc

    engine = qmc.Sobol(dimensions, scramble=True, rng=np.random.default_rng(seed))
    return engine.random_base2(SOBOL_BITS)


def qmc_point(space: Space, index: int, seed: int) -> Params:
    """Return the point of a scrambled Sobol sequence at an index."""
    points = _sobol(len(space.parameters), stream(seed, "qmc") % 2**31)
    shares = dict(zip((each.name for each in space.parameters), points[index], strict=True))

    def value(parameter: Parameter) -> str | float:
        share = float(shares[parameter.name])
        if parameter.range is None:
            return parameter.levels[int(share * len(parameter.levels))]
        return parameter.range.at(share)

    return space.assigned(value)


def sequence(space: Space) -> Iterator[Params] | None:
    """Return the points of a grid or a Sobol sequence in order; None where the sampler decides."""
    options, seed = space.search.sampler, space.search.seed
    if isinstance(options, spec.Grid):
        return iter(grid(space, options, seed))
    if isinstance(options, spec.Qmc):
        return (qmc_point(space, index, seed) for index in range(SOBOL_POINTS))
    return None
