"""Check FloLPIPS against a computation in another way, on random backbones."""

import hashlib
import math

import numpy as np
import pytest
import torch
from skimage import data

from tempo.core.errors import SpecError
from tempo.metrics import metric_weights
from tempo.metrics.flolpips import weighted
from tempo.metrics.metric_table import METRICS, evaluate_moment, evaluate_pair, needs
from tempo.metrics.metric_weights import perceptual_protocol, use_backbones, why_missing
from tempo.metrics.perceptual import prepare
from tempo.metrics.temporal import Frame, Moment
from tempo.spec.losses import FrozenWeights
from tempo.spec.metrics import METRIC_INFOS
from tests import reference_backbones, reference_flow

PHOTOGRAPH = torch.from_numpy(data.astronaut()).permute(2, 0, 1).float() / 255
NAMES = ("alexnet", "pwcnet")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("backbones")
    return {name: reference_backbones.write(name, folder) for name in NAMES}


@pytest.fixture(autouse=True)
def nothing_left(monkeypatch):
    for name in NAMES:
        monkeypatch.delenv(metric_weights.variable(name), raising=False)
    yield
    use_backbones({})


@pytest.fixture
def given(files):
    use_backbones(files)
    return files


def view(shift, size=(64, 80)):
    return PHOTOGRAPH[:, 100 : 100 + size[0], 120 + shift : 120 + shift + size[1]]


def noisy(picture, strength=0.1, seed=0):
    noise = torch.randn(picture.shape, generator=torch.Generator().manual_seed(seed))
    return (picture + strength * noise).clamp(0, 1)


def both(picture):
    return Frame(picture, picture)


def moment(prediction, *, before=None, after=None, size=(64, 80)):
    return Moment(
        frame=Frame(prediction, view(4, size)),
        before=before or both(view(2, size)),
        after=after or both(view(6, size)),
    )


def value(given_moment):
    return evaluate_moment(given_moment, ["flolpips"])["flolpips"]


def distances(prediction, target):
    """LPIPS's distances of each layer, by the package of its authors."""
    with reference_backbones.in_place_of_torchvision():
        import lpips

        network = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False).eval()
    with torch.no_grad():
        features = [
            network.net(network.scaling_layer(2 * each[None] - 1)) for each in (prediction, target)
        ]
        for one, other, head in zip(*features, network.lins, strict=True):
            gap = lpips.normalize_tensor(one) - lpips.normalize_tensor(other)
            yield head(gap**2)[0, 0].double().numpy()


def by_another_way(moment):
    frame = moment.frame
    layers = list(distances(frame.output, frame.truth))
    network = reference_flow.pwcnet()
    values = [
        reference_flow.flolpips(
            network,
            layers,
            [each.double().numpy() for each in (frame.output, frame.truth)],
            [each.double().numpy() for each in (beside.output, beside.truth)],
        )
        for beside in (moment.before, moment.after)
    ]
    return np.mean(values)


def test_a_triplet_has_the_value_of_another_computation(given):
    here = moment(noisy(view(4)))
    theirs = by_another_way(here)
    assert theirs > 0.01
    assert value(here) == pytest.approx(theirs, abs=2e-6, rel=1e-5)
    # The weights matter: LPIPS itself is another number.
    plain = evaluate_pair(here.frame.output[None], here.frame.truth[None], ["lpips_alex"])
    assert abs(plain["lpips_alex"].item() - theirs) > 1e-4


def test_beside_other_predictions_flow_goes_to_them_and_to_the_true_frames(given):
    # Sides that are no multiple of 64 either way.
    size = (50, 70)
    after = Frame(noisy(view(6, size), seed=1), view(6, size))
    here = moment(noisy(view(4, size)), before=both(view(2, size)), after=after, size=size)
    found = value(here)
    assert found == pytest.approx(by_another_way(here), abs=2e-6, rel=1e-5)
    single = moment(noisy(view(4, size)), size=size)
    assert abs(found - value(single)) > 1e-5


def test_an_equal_picture_has_no_distance(given):
    assert value(moment(view(4))) == 0


def test_more_noise_is_more_distance(given):
    values = [value(moment(noisy(view(4), each))) for each in (0.02, 0.05, 0.2)]
    assert 0 < values[0] < values[1] < values[2]


def test_equal_weights_give_the_mean_and_no_weights_none():
    maps = [torch.rand(1, 15, 19), torch.rand(1, 7, 9)]
    even = torch.full((1, 2, 64, 80), 3.0)
    assert weighted(maps, even) == pytest.approx(sum(each.mean().item() for each in maps))
    nothing = torch.zeros(1, 2, 64, 80)
    assert weighted(maps, nothing) is None
    assert weighted([torch.zeros(1, 15, 19)], nothing) == 0


def test_only_what_moves_wrongly_counts():
    gap = torch.zeros(1, 2, 64, 64)
    gap[..., :32] = torch.tensor([3.0, -4.0]).view(1, 2, 1, 1)
    inside, outside = torch.zeros(1, 64, 64), torch.zeros(1, 64, 64)
    inside[..., :32], outside[..., 32:] = 0.5, 0.5
    assert weighted([inside], gap) == pytest.approx(0.5)
    assert weighted([outside], gap) == 0
    # The length of the difference is the weight, so twice the error counts twice.
    gap[..., 32:] = torch.tensor([6.0, 8.0]).view(1, 2, 1, 1)
    assert weighted([inside], gap) == pytest.approx(0.5 / 3)


def test_small_and_broken_pictures(given):
    assert evaluate_moment(moment(noisy(view(4, (30, 40))), size=(30, 40)), ["flolpips"]) == {}
    broken = view(4).clone()
    broken[0, 3, 3] = math.nan
    assert math.isnan(value(moment(broken)))


def test_where_it_stands():
    assert needs(["flolpips"]) == {"pair"}
    assert list(METRICS) == list(METRIC_INFOS)
    assert METRIC_INFOS.get("flolpips").better == "lower"


def test_without_weights_nothing_is_computed_and_the_sentence_says_what_to_do(files):
    assert evaluate_moment(moment(noisy(view(4))), ["flolpips"]) == {}
    why = why_missing("flolpips")
    assert why == (
        "flolpips is not computed: it looks through alexnet and pwcnet, whose weights are not "
        "given; name torchvision's file and pytorch-pwc's file with --backbone alexnet=FILE "
        "--backbone pwcnet=FILE, in evaluation.backbones of a spec, or in "
        "$TEMPO_BACKBONE_ALEXNET and $TEMPO_BACKBONE_PWCNET"
    )
    use_backbones({"alexnet": files["alexnet"]})
    assert why_missing("lpips_alex") is None
    assert "it looks through pwcnet, whose" in why_missing("flolpips")
    assert "alexnet" not in why_missing("flolpips")
    assert perceptual_protocol(["flolpips"]) == {}


def test_the_environment_names_the_weights_as_well(files, monkeypatch):
    for name, path in files.items():
        monkeypatch.setenv(metric_weights.variable(name), str(path))
    assert value(moment(noisy(view(4)))) > 0
    monkeypatch.setenv("TEMPO_BACKBONE_PWCNET", "/nowhere/network.pytorch")
    assert "$TEMPO_BACKBONE_PWCNET names /nowhere/network.pytorch" in why_missing("flolpips")


def test_the_protocol_holds_the_hashes_of_all_files_and_how_flow_is_found(given):
    found = perceptual_protocol(["lpips_alex", "flolpips"])["perceptual"]
    plain, own = found["lpips_alex"], found["flolpips"]
    assert plain.items() < own.items()
    digest = hashlib.sha256(given["pwcnet"].read_bytes()).hexdigest()
    assert own["flow_sha256"] == digest
    assert own["flow_network"].startswith("pwcnet (not the network-default.pytorch")
    assert own.keys() - plain.keys() == {
        "flow_network",
        "flow_sha256",
        "flow_frames",
        "flow_resizing",
        "flow_colour",
        "flow_code",
    }


@pytest.mark.parametrize("what", ["other network", "damaged"])
def test_files_that_cannot_be_used_are_refused_one_by_one(files, tmp_path, what):
    path = tmp_path / "network.pytorch"
    path.write_bytes(files["alexnet"].read_bytes() if what == "other network" else b"no weights")
    use_backbones({"alexnet": files["alexnet"], "pwcnet": path})
    with pytest.raises(SpecError, match="is not PWC-Net as pytorch-pwc writes it"):
        evaluate_moment(moment(noisy(view(4))), ["flolpips"])
    frozen = {
        name: FrozenWeights(path=str(file), sha256=hashlib.sha256(file.read_bytes()).hexdigest())
        for name, file in (("alexnet", files["alexnet"]), ("pwcnet", path))
    }
    [sentence] = prepare(["psnr", "lpips_alex", "flolpips"], frozen)
    assert sentence.startswith("flolpips is not computed: ") and "is not PWC-Net" in sentence
    assert why_missing("lpips_alex") is None
