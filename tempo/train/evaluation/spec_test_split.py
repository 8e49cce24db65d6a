"""The test split of a spec's data set, as a test set like the published ones."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from tempo.core.identity import short_hash
from tempo.data.cache.splits import Split
from tempo.data.clips import Clip
from tempo.data.testsets.protocol import protocol
from tempo.spec.options import Options
from tempo.train.evaluation.temporal_sequences import stretches


@dataclass(frozen=True, slots=True)
class SpecTestSplit:
    """A split with the protocol that runs of its spec report. `left_out`: ids of clips that could
    not be judged, which makes it another set."""

    name: str
    split: Split
    options: Options
    left_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def protocol(self) -> dict[str, Any]:
        """As in `tempo.train.evaluation.run_evaluation`."""
        digest = self.split.digest
        if self.left_out:
            digest = short_hash([digest, self.left_out], len(digest))
        sizes = {shard.size for shard in self.split.shards}
        size = sizes.pop() if len(sizes) == 1 else None
        return protocol(self.options, self.split.name, digest, size)

    def sequences(self) -> list[range]:
        """Stretches of at least two clips whose targets follow each other in time."""
        return [each for each in stretches(self.split) if len(each) > 1]

    def without(self, ids: Collection[str], note: str) -> SpecTestSplit:
        """The set less some clips; they are still counted here, and must not be asked for."""
        left_out = tuple(sorted({*self.left_out, *ids}))
        return SpecTestSplit(self.name, self.split, self.options, left_out, (*self.notes, note))

    def clip_id(self, index: int) -> str:
        """The id of a clip, without reading it."""
        return self.split.locate(index)[1].id

    def __len__(self) -> int:
        return len(self.split)

    def __getitem__(self, index: int) -> Clip:
        return self.split[index]
