"""Define the further test sets of a study, and the methods of others that are judged on them."""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from tempo.core.catalog import unknown
from tempo.core.identity import file_name
from tempo.core.plugins.parts import names_of
from tempo.spec.data import Footage, Frames, Video
from tempo.spec.methods import method_names
from tempo.spec.options import MOST_STEPS, Section, Size

TEST_SET_TABLE = "test set"
"""The table that plug-ins add test sets to."""

PUBLISHED: dict[str, tuple[str, ...]] = {
    "vimeo90k": (),
    "vimeo90k_septuplet": (),
    "ucf101": (),
    "middlebury": (),
    "snu_film": ("easy", "medium", "hard", "extreme"),
    "xiph": ("2k", "4k"),
    "x_test": (),
    "x_test_2k": (),
    "davis": (),
    "snu_film_arb": ("4x", "8x", "16x"),
    "gopro_8x": (),
    "gopro_8x_four": (),
    "ucf101_four": (),
    "davis_four": (),
}
"""The published test sets; of a family, what its members are called behind its name."""

TITLES = {
    "vimeo90k": "Vimeo-90K triplets",
    "vimeo90k_septuplet": "Vimeo-90K septuplets",
    "ucf101": "UCF101",
    "middlebury": "Middlebury OTHER",
    "snu_film_easy": "SNU-FILM easy",
    "snu_film_medium": "SNU-FILM medium",
    "snu_film_hard": "SNU-FILM hard",
    "snu_film_extreme": "SNU-FILM extreme",
    "xiph_2k": "Xiph 2K",
    "xiph_4k": "Xiph 4K",
    "x_test": "X-TEST",
    "x_test_2k": "X-TEST 2K",
    "davis": "DAVIS",
    "snu_film_arb_4x": "SNU-FILM-arb 4x",
    "snu_film_arb_8x": "SNU-FILM-arb 8x",
    "snu_film_arb_16x": "SNU-FILM-arb 16x",
    "gopro_8x": "GoPro 8x",
    "gopro_8x_four": "GoPro 8x, four inputs",
    "ucf101_four": "UCF101, four inputs",
    "davis_four": "DAVIS, four inputs",
}
"""What people call the published test sets."""

_ALIASES = {"xiph_4k_crop": "xiph_4k", "xiph_2k_resized": "xiph_2k"}


def published_names() -> tuple[str, ...]:
    """Return the names of all published test sets, members of families one by one."""
    own = [
        f"{name}_{member}" if member else name
        for name, members in PUBLISHED.items()
        for member in (members or ("",))
    ]
    return (*own, *names_of(TEST_SET_TABLE))


def set_names(text: str) -> list[str]:
    """Return the test sets that a name means: `snu_film` all its members, `snu_film:hard` one.

    Raises:
        ValueError: naming the known sets and the nearest one.
    """
    plain = re.sub(r"[:\-]", "_", text.strip())
    plain = _ALIASES.get(plain, plain)
    if members := PUBLISHED.get(plain):
        return [f"{plain}_{member}" for member in members]
    if plain in published_names():
        return [plain]
    families = [name for name, members in PUBLISHED.items() if members]
    raise ValueError(
        unknown("test set", text, (*published_names(), *families))
        + "; videos of your own are {clips: FOLDER}"
    )


def _as_set(value: Any) -> Any:
    return {"set": value} if isinstance(value, str) else value


class TestSetEntry(Section):
    """A test set that finished runs are evaluated on: a published one, or clips of your own.

    Where its files lie cannot change a result; what is in them is in the record, as a digest.
    """

    __test__ = False

    set: str = Field("", description="a published set: vimeo90k, ucf101, snu_film:hard and others")
    clips: str = Field("", description="a folder of videos of your own, instead of a published set")
    kind: Literal["video", "frames"] = Field(
        "video", description="what `clips` holds: video files, or folders of numbered pictures"
    )
    size: Size = Field(
        (256, 448), description="height and width that frames of `clips` are scaled and cut to"
    )
    stride: int = Field(
        1, ge=1, le=10_000, description="frames between an anchor and the middle of a clip"
    )
    every: int = Field(
        3, ge=1, le=MOST_STEPS, description="distance between the first frames of two clips"
    )
    root: str = Field("", description="folder of a published set; empty: below $TEMPO_DATASETS")
    subset: str = Field(
        "", description="a file that lists some clips of a published set, such as fast ones"
    )
    name: str = Field("", description="what tables call the set; empty: its own name")

    @field_validator("set")
    @classmethod
    def _known(cls, value: str) -> str:
        if value:
            set_names(value)
        return value

    @model_validator(mode="after")
    def _either(self) -> TestSetEntry:
        if bool(self.set) == bool(self.clips):
            raise ValueError(
                "a test set is a published one (`set:` or just its name) or videos of your own "
                "(`clips: FOLDER`), one of both"
            )
        if self.subset and not self.set:
            raise ValueError("`subset` lists clips of a published set, and none is named (`set:`)")
        members = set_names(self.set) if self.set else []
        if self.name and len(members) > 1:
            raise ValueError(
                f"{self.set} are {len(members)} sets ({', '.join(members)}), which cannot share "
                f"the name {self.name!r}: name them one by one"
            )
        return self

    @property
    def title(self) -> str:
        """What tables call the set."""
        return self.name or self._called(TITLES.get(self.set, self.set))

    @property
    def key(self) -> str:
        """A name of the set that can stand in a command and in a file's name."""
        return file_name(self.name or self._called(self.set))

    def _called(self, published: str) -> str:
        listed = f"{published} {PurePath(self.subset).stem}" if self.subset else published
        return listed or PurePath(self.clips).name or self.clips

    def single(self) -> list[TestSetEntry]:
        """Return the set, or the members of a family one by one."""
        if self.clips:
            return [self]
        return [self.model_copy(update={"set": name}) for name in set_names(self.set)]


def own_clips(entry: TestSetEntry) -> Footage:
    """Return the data set of a folder of one's own, all sources of which are for testing."""
    kind = Video if entry.kind == "video" else Frames
    return kind(
        name=entry.title,
        root=entry.clips,
        size=entry.size,
        stride=entry.stride,
        every=entry.every,
        test=("*",),
    )


def _as_method(value: Any) -> Any:
    return {"method": value} if isinstance(value, str) else value


class OtherMethod(Section):
    """A method that this study does not train, judged on its test sets beside the references.

    It has no seeds: its values per clip enter every comparison as those of one replicate.
    """

    method: str = Field("", description="a method without weights: flow, average, nearest")
    folder: str = Field("", description="pictures that a method has made, named by clip ids")
    call: str = Field("", description="a callable `package.module:name` that predicts frames")
    name: str = Field("", description="what tables call the method; empty: its own name")

    @field_validator("method")
    @classmethod
    def _known(cls, value: str) -> str:
        if value and value not in method_names():
            message = unknown("method without weights", value, method_names())
            raise ValueError(f"{message}; others are {{folder: DIR}} or {{call: package:name}}")
        return value

    @field_validator("call")
    @classmethod
    def _callable(cls, value: str, info: ValidationInfo) -> str:
        if value and not re.fullmatch(r"[\w.]+:[\w.]+", value):
            raise ValueError(f"`call` is `package.module:name`, not {value!r}")
        return value

    @model_validator(mode="after")
    def _one(self) -> OtherMethod:
        if sum(map(bool, (self.method, self.folder, self.call))) != 1:
            raise ValueError(
                "a method is one of the references by name, `folder: DIR` with pictures that it "
                "made, or `call: package.module:name`"
            )
        return self

    @property
    def title(self) -> str:
        """What tables call the method."""
        return self.name or self.method or self.call or PurePath(self.folder).name or self.folder


OneTestSet = Annotated[
    TestSetEntry, BeforeValidator(_as_set, json_schema_input_type=str | TestSetEntry)
]
OneMethod = Annotated[
    OtherMethod, BeforeValidator(_as_method, json_schema_input_type=str | OtherMethod)
]
