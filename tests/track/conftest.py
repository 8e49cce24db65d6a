"""A small study whose records are written as training writes them."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tempo.core.records import Plan, PlannedRun, PlannedVariant, RunSpec
from tempo.records.event_log import EventLog, last_attempt
from tempo.records.events import (
    AttemptStarted,
    CheckpointSaved,
    Evaluated,
    Finished,
    ImageSaved,
    ModelBuilt,
    Trained,
    Validated,
)
from tempo.records.layout import Store
from tempo.spec.arch import ArchSpec
from tempo.spec.data import Procedural
from tempo.spec.recipe import Budget, Evaluation, Recipe
from tempo.spec.study import RunConfig

EVERY = 4
"""Steps between two training events."""


def config(*, se: bool = True, method: str = "network") -> dict[str, object]:
    arch = ArchSpec.model_validate({"se": {"kind": "squeeze_excite" if se else "none"}})
    recipe = Recipe(budget=Budget(steps=40), crop=16)
    made = RunConfig.model_validate(
        {
            "method": method,
            "arch": arch,
            "data": Procedural(size=(16, 24)),
            "recipe": recipe,
            "evaluation": Evaluation(val_every=20),
        }
    )
    return made.model_dump(mode="json")


def make_plan(seeds: int = 2, study: str = "se_study") -> Plan:
    variants = (
        PlannedVariant(name="se=on", role="baseline", levels={"se": "on"}, config=config()),
        PlannedVariant(
            name="se=off", role="variant", levels={"se": "off"}, config=config(se=False)
        ),
        PlannedVariant(
            name="average", role="reference", levels={}, config=config(method="average")
        ),
    )
    runs = [
        PlannedRun(run_id=f"{variant.name[3:]}{seed}", variant=variant.name, seed=seed)
        for seed in range(seeds)
        for variant in variants[:2]
    ]
    return Plan(
        study=study,
        question="Does squeeze-and-excitation help?",
        profile="demo",
        source="ablations/se.yaml",
        spec={"study": study},
        spec_hash="0123abcd",
        baseline="se=on",
        variants=variants,
        runs=(*runs, PlannedRun(run_id="avg", variant="average", seed=None)),
    )


@dataclass
class Written:
    """Writes one run's record as a worker does, and keeps count of what a mirror must show."""

    store: Store
    plan: Plan
    run: PlannedRun
    best: float = 30.0
    log: EventLog = field(init=False)

    def __post_init__(self) -> None:
        variant = self.plan.variant(self.run.variant)
        spec = RunSpec(run_id=self.run.run_id, seed=self.run.seed, config=variant.config)
        self.folder = self.store.save_run(spec)

    def begin(self, resumed: int = 0, total: int = 40) -> "Written":
        self.log = EventLog(self.folder, last_attempt(self.folder) + 1)
        environment = {"device": "cpu", "host": "h", "data": {"train": "d1", "test": "d2"}}
        self.log.append(
            AttemptStarted(resumed_step=resumed, total_steps=total, environment=environment)
        )
        if resumed == 0:
            self.log.append(ModelBuilt(parameters=1234, macs=5678, mac_size=(16, 24)))
        return self

    def train(self, first: int, last: int) -> "Written":
        """Training events for the steps after `first`, up to `last`."""
        for step in range(first + EVERY, last + 1, EVERY):
            values = {"loss": 1 / step, "loss/charbonnier": 1 / step, "lr": 1e-4, "grad_norm": 2.0}
            values |= {"system/cpu_utilization_percentage": 50.0 + step}
            self.log.append(Trained(step=step, clips=16 * step, epoch=step / 10, values=values))
        return self

    def validate(self, step: int) -> "Written":
        values = {"psnr": self.best + step / 100, "ssim": 0.9}
        self.log.append(
            Validated(step=step, clips=8, epoch=step / 10, seconds=step / 2, values=values)
        )
        for part in ("target", "prediction") if step == 20 else ("prediction",):
            name = "target.png" if part == "target" else f"prediction-{step}.png"
            path = self.picture(f"images/val0/{name}", step if part == "prediction" else 0)
            self.log.append(ImageSaved(step=step, key=f"val0/{part}", path=path))
        return self

    def checkpoint(self, step: int) -> "Written":
        path = f"checkpoints/step-{step:08d}.pt"
        file = self.folder / path
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(b"weights")
        saved = CheckpointSaved(step=step, path=path, sha256="0", best=True)
        self.log.append(saved, durable=True)
        return self

    def evaluate(self, step: int, offset: float = 0.0) -> "Written":
        gallery = tuple(
            {
                "clip": f"c{i}",
                "target": self.picture(f"gallery/{i}-target.png", i),
                "prediction": self.picture(f"gallery/{i}-prediction.png", i + 30),
            }
            for i in range(2)
        )
        (self.folder / "clips.parquet").write_bytes(b"table")
        values = {"psnr": self.best + offset, "ssim": 0.91}
        self.log.append(
            Evaluated(
                split="test",
                step=step,
                checkpoint="best",
                clips=8,
                values=values,
                infos={
                    name: {
                        "name": name,
                        "unit": unit,
                        "better": "higher",
                        "digits": 2,
                        "definition": "as written in tests",
                    }
                    for name, unit in (("psnr", "dB"), ("ssim", ""))
                },
                protocol={"rounding": False},
                protocol_hash="p1",
                table="clips.parquet",
                table_sha256="0",
                gallery=gallery,
            )
        )
        return self

    def finish(self, status: str = "complete", step: int = 40, **fields: str) -> "Written":
        self.log.append(
            Finished(
                status=status,
                step=step,
                seconds=3.0,
                train_seconds=2.0,
                peak_memory=64 * 2**20,
                **fields,  # type: ignore[arg-type]
            )
        )
        self.log.close()
        return self

    def picture(self, name: str, phase: int) -> str:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        y, x = np.mgrid[:16, :24]
        wave = 127 + 120 * np.sin((x + y + phase) * math.pi / 8)
        Image.fromarray(np.stack([wave, wave[:, ::-1], wave], -1).astype(np.uint8)).save(path)
        return name

    def whole(self) -> "Written":
        """The record of an undisturbed run."""
        if self.run.seed is None:
            return self.begin(total=0).evaluate(0, offset=-3.0).finish(step=0)
        self.begin().train(0, 20).validate(20).checkpoint(20)
        return self.train(20, 40).validate(40).checkpoint(40).evaluate(40).finish()


@dataclass
class Study:
    """A plan and the store its records are in."""

    store: Store
    plan: Plan

    @property
    def uri(self) -> str:
        return f"sqlite:///{self.store.root / 'mlflow.db'}"

    def write(self, run_id: str, best: float = 30.0) -> Written:
        run = next(run for run in self.plan.runs if run.run_id == run_id)
        return Written(self.store, self.plan, run, best)

    def write_all(self) -> None:
        for number, run in enumerate(self.plan.runs):
            Written(self.store, self.plan, run, 30.0 + number).whole()


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty MLflow store: making one takes seconds, copying it none."""
    from tempo.track.mlflow.client import connect

    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    connect(f"sqlite:///{path}")
    return path


@pytest.fixture
def study(tmp_path: Path, empty_database: Path) -> Iterator[Study]:
    (tmp_path / "mlflow.db").write_bytes(empty_database.read_bytes())
    store = Store(tmp_path)
    made = Study(store, make_plan())
    store.save_plan(made.plan)
    yield made
