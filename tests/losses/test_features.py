"""Losses on VGG features: the network that is read, its features, and files that will not do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from tempo.backbones.frozen_files import check_file
from tempo.backbones.vgg_network import load_vgg
from tempo.core.errors import MissingError, SpecError
from tempo.losses import build_objective
from tempo.losses.features import gram
from tempo.spec.losses import LOSSES, FrozenWeights, frozen_files
from tempo.spec.options import parse_slot
from tests.reference_vgg import CONFIGURATIONS, ReferenceVgg, saved, small_vgg


def pictures(seed: int, side: int = 40) -> Tensor:
    return torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(seed))


def loss(kind: str, **options: Any) -> Any:
    return parse_slot(LOSSES, {"kind": kind, "weights": small_vgg(), **options})


def given(path: Path, content: Any) -> FrozenWeights:
    torch.save(content, path)
    from tempo.records.files import sha256_of

    return FrozenWeights(path=str(path), sha256=sha256_of(path))


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_every_layer_is_that_of_torchvisions_network(
    tmp_path: Path, name: str, batch_norm: bool
) -> None:
    network = ReferenceVgg(name, batch_norm=batch_norm).eval()
    weights = FrozenWeights(**saved(tmp_path / f"{name}.pth", network))
    with torch.no_grad():
        expected = network.layers(pictures(0))
    # The file does not tell of the picture's last halving, after the last convolution.
    del expected["pool5"]
    found = load_vgg(weights, expected)(pictures(0))
    assert list(found) == list(expected)
    for layer, values in expected.items():
        assert torch.equal(found[layer], values), layer


def test_nothing_of_it_is_trained_or_moves(tmp_path: Path) -> None:
    network = ReferenceVgg("vgg11", batch_norm=True).train()
    features = load_vgg(FrozenWeights(**saved(tmp_path / "vgg.pth", network)), ["relu2_1"]).train()
    before = {name: each.clone() for name, each in features.state_dict().items()}
    features(pictures(0).requires_grad_())["relu2_1"].sum().backward()
    assert list(features.parameters()) == [] and features.smallest == 2
    after = features.state_dict()
    assert all(torch.equal(after[name], each) for name, each in before.items())
    assert not any(name.endswith("_8") for name in before), "deeper layers are not kept"


def test_the_perceptual_distance_is_its_formula() -> None:
    one, two = pictures(1), pictures(2)
    layers = {"conv1_2": 0.5, "relu3_3": 2.0}
    reference = ReferenceVgg("vgg16").eval()
    for distance, power in ("l1", 1), ("l2", 2):
        objective = build_objective(loss("perceptual", layers=layers, distance=distance))
        mine, theirs = reference.layers(one), reference.layers(two)
        expected = sum(
            weight * (mine[name] - theirs[name]).abs().pow(power).mean(dim=(1, 2, 3))
            for name, weight in layers.items()
        )
        torch.testing.assert_close(objective(one, two, 0.0)[0], expected)


def test_the_style_distance_is_that_of_gram_matrices_and_ignores_places() -> None:
    one, two = pictures(1), pictures(2)
    mine, theirs = (ReferenceVgg("vgg16").eval().layers(each)["relu2_1"] for each in (one, two))
    area = mine.shape[1] * mine.shape[2] * mine.shape[3]
    matrices = [torch.einsum("bchw,bdhw->bcd", each, each) / area for each in (mine, theirs)]
    expected = 3 * (matrices[0] - matrices[1]).square().sum(dim=(1, 2))
    objective = build_objective(loss("style", layers={"relu2_1": 3.0}))
    torch.testing.assert_close(objective(one, two, 0.0)[0], expected)
    features = torch.rand(1, 4, 6, 6)
    torch.testing.assert_close(gram(features.flip(-1)), gram(features))


def test_the_smallest_picture_is_one_of_which_the_deepest_layer_sees_something() -> None:
    objective = build_objective(loss("perceptual", layers={"relu4_1": 1.0}))
    assert objective.smallest == 8 and build_objective(parse_slot(LOSSES, "l1")).smallest == 1
    assert objective(pictures(0, 8), pictures(1, 8), 0.0)[0].isfinite().all()
    with pytest.raises(SpecError, match=r"pictures of 7 pixels .*'relu4_1'.* needs 8"):
        objective(pictures(0, 7), pictures(1, 7), 0.0)


def test_the_default_layers_exist_in_every_network_that_is_named() -> None:
    assert frozen_files(loss("style")) == (FrozenWeights(**small_vgg()),)
    for name in ("vgg13", "vgg16", "vgg19"):
        known = ReferenceVgg(name).eval().layers(pictures(0))
        assert set(loss("perceptual").layers) <= set(known)


def test_a_layer_that_is_not_there_is_named() -> None:
    with pytest.raises(SpecError, match=r"recipe.loss.layers: .*'relu3_4'; did you mean 'relu3_3'"):
        build_objective(loss("perceptual", layers={"relu3_4": 1.0}))


def test_a_missing_or_another_file_is_refused_with_its_own_hash(tmp_path: Path) -> None:
    absent = FrozenWeights(path=str(tmp_path / "vgg.pth"), sha256="0" * 64)
    with pytest.raises(MissingError, match=r"vgg.pth does not exist .* Tempo downloads none"):
        check_file(absent)
    with pytest.raises(MissingError, match="is a folder and not a file"):
        check_file(FrozenWeights(path=str(tmp_path), sha256="0" * 64))
    real = small_vgg()
    with pytest.raises(MissingError, match=rf"its SHA-256 is {real['sha256']}, and not 0000"):
        check_file(FrozenWeights(path=real["path"], sha256="0" * 64))
    assert check_file(FrozenWeights(**real)) == Path(real["path"])


def test_a_file_that_changes_is_hashed_again(tmp_path: Path) -> None:
    weights = given(tmp_path / "vgg.pth", {"features.0.weight": torch.zeros(2, 3, 3, 3)})
    check_file(weights)
    Path(weights.path).write_bytes(b"something else")
    with pytest.raises(MissingError, match="another file than the spec asks for"):
        check_file(weights)


KERNEL, BIAS = torch.zeros(4, 3, 3, 3), torch.zeros(4)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ([1, 2], "it is no mapping of names to tensors"),
        ({"a": 1}, "it is no mapping of names to tensors"),
        ({"layer1.weight": KERNEL}, "it has no convolution features.N.weight"),
        ({"features.1.weight": KERNEL}, "features.1 is not where a convolution stands"),
        ({"features.0.weight": KERNEL}, r"features.0.weight is \[4, 3, 3, 3\] and not .* a bias"),
        (
            {"features.0.weight": torch.zeros(4, 3, 7, 7), "features.0.bias": BIAS},
            r"features.0.weight is \[4, 3, 7, 7\] and not \[any, 3, 3, 3\]",
        ),
        (
            {f"features.{n}.{name}": value for n in (0, 5) for name, value in
             (("weight", KERNEL), ("bias", BIAS))},
            "features.5 is not where a convolution stands",
        ),
    ],
)  # fmt: skip
def test_another_network_is_refused(tmp_path: Path, content: Any, why: str) -> None:
    weights = given(tmp_path / "other.pth", content)
    with pytest.raises(SpecError, match=f"is not a VGG network as torchvision writes it: {why}"):
        load_vgg(weights, ["relu1_1"])


def test_a_file_that_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    from tempo.records.files import sha256_of

    path = tmp_path / "vgg.pth"
    path.write_bytes(b"<html>not found</html>")
    with pytest.raises(SpecError, match="torch cannot read it"):
        load_vgg(FrozenWeights(path=str(path), sha256=sha256_of(path)), ["relu1_1"])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"weights": {"path": "x", "sha256": "abc"}}, "sha256"),
        ({"weights": {"path": "", "sha256": "0" * 64}}, "path"),
        ({"layers": {}}, "layers"),
        ({"layers": {"relu1_1": 0}}, "greater than 0"),
        ({"distance": "l3"}, "distance"),
    ],
)
def test_options_that_mean_nothing_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        loss("perceptual", **options)
