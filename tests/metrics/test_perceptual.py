"""Check LPIPS and DISTS against the packages of their authors, on the same random backbones."""

import hashlib
import shutil
from pathlib import Path

import pytest
import torch
from skimage import data

from tempo.core.errors import MissingError, SpecError, UnknownNameError
from tempo.metrics import metric_weights
from tempo.metrics.metric_table import evaluate_pair
from tempo.metrics.metric_weights import perceptual_protocol, use_backbones, why_missing
from tests import reference_backbones

NAMES = ("lpips_alex", "lpips_vgg", "dists")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("backbones")
    return {name: reference_backbones.write(name, folder) for name in ("alexnet", "vgg16")}


@pytest.fixture
def given(files, monkeypatch):
    for name in files:
        monkeypatch.delenv(metric_weights.variable(name), raising=False)
    use_backbones(files)
    yield files
    use_backbones({})


@pytest.fixture(autouse=True)
def nothing_left():
    yield
    use_backbones({})


def pictures(height, width, strength, seed=0):
    """Two photographs with noise, as prediction and target."""
    whole = torch.from_numpy(data.astronaut()).permute(2, 0, 1).float() / 255
    places = (50, 60), (210, 180)
    target = torch.stack([whole[:, y : y + height, x : x + width] for y, x in places])
    noise = torch.randn(target.shape, generator=torch.Generator().manual_seed(seed))
    return (target + strength * noise).clamp(0, 1), target


def original(name):
    """The authors' own network: called with a prediction and a target in 0 to 1."""
    with reference_backbones.in_place_of_torchvision():
        if name == "dists":
            import DISTS_pytorch

            network = DISTS_pytorch.DISTS(load_weights=False).eval()
            stored = Path(DISTS_pytorch.__file__).parent / "weights.pt"
            trained = torch.load(stored, weights_only=True)
            network.alpha.data, network.beta.data = trained["alpha"], trained["beta"]
            return network
        import lpips

        network = lpips.LPIPS(net=name.removeprefix("lpips_"), pnet_rand=True, verbose=False)
        return lambda one, other: network.eval()(one, other, normalize=True).flatten()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [(64, 96), (97, 71)])
def test_it_is_the_authors_package_on_the_same_backbone(given, name, size):
    prediction, target = pictures(*size, 0.1)
    ours = evaluate_pair(prediction, target, [name])[name]
    with torch.no_grad():
        theirs = original(name)(prediction, target)
    assert theirs.min() > 0.005
    torch.testing.assert_close(ours, theirs, atol=2e-6, rtol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_equal_pictures_have_no_distance_and_noise_has_more_and_more(given, name):
    values = [
        evaluate_pair(*pictures(64, 64, each), [name])[name].mean() for each in (0, 0.05, 0.2)
    ]
    assert abs(values[0]) < 1e-6
    assert values[0] + 1e-3 < values[1] < values[2]


def test_a_picture_has_the_same_value_alone_and_in_a_batch(given):
    prediction, target = pictures(64, 64, 0.1)
    together = evaluate_pair(prediction, target, NAMES)
    alone = evaluate_pair(prediction[1:], target[1:], NAMES)
    for name in NAMES:
        assert together[name][1] == alone[name][0]


def test_too_small_pictures_have_no_value(given):
    assert evaluate_pair(*pictures(24, 24, 0.1), ["lpips_alex"]) == {}
    assert set(evaluate_pair(*pictures(24, 24, 0.1), ["lpips_vgg"])) == {"lpips_vgg"}
    assert evaluate_pair(*pictures(15, 24, 0.1), ["lpips_vgg", "dists"]) == {}


def test_without_weights_nothing_is_computed_and_the_sentence_says_what_to_do(monkeypatch):
    monkeypatch.delenv("TEMPO_BACKBONE_ALEXNET", raising=False)
    assert evaluate_pair(*pictures(64, 64, 0.1), ["psnr", "lpips_alex"]).keys() == {"psnr"}
    why = why_missing("lpips_alex")
    assert "not computed" in why
    assert "--backbone alexnet=FILE" in why and "$TEMPO_BACKBONE_ALEXNET" in why
    assert perceptual_protocol(["psnr", "lpips_alex"]) == {}
    monkeypatch.setenv("TEMPO_BACKBONE_ALEXNET", "/nowhere/alexnet.pth")
    assert "/nowhere/alexnet.pth" in why_missing("lpips_alex")
    assert why_missing("psnr") is None


def test_without_the_package_of_the_head_the_sentence_names_it(given, monkeypatch):
    monkeypatch.setattr(metric_weights, "find_spec", lambda name: None)
    assert "lpips, which is not installed: pip install 'tempo-vfi[perceptual]'" in why_missing(
        "lpips_vgg"
    )
    assert "dists-pytorch, which is not installed" in why_missing("dists")


def test_the_protocol_holds_the_hashes_of_both_files(given):
    found = perceptual_protocol(["psnr", "lpips_alex", "dists"])["perceptual"]
    assert set(found) == {"lpips_alex", "dists"}
    own = hashlib.sha256(given["alexnet"].read_bytes()).hexdigest()
    assert found["lpips_alex"]["backbone_sha256"] == own
    assert found["lpips_alex"]["backbone"] == "alexnet (not one that torchvision publishes)"
    assert found["dists"]["head_sha256"] == metric_weights.HEADS["dists"].sha256
    assert (found["dists"]["crop"], found["dists"]["resizing"]) == ("none", "none")


def test_the_environment_names_a_backbone_as_well(files, monkeypatch):
    monkeypatch.setenv("TEMPO_BACKBONE_VGG16", str(files["vgg16"]))
    monkeypatch.delenv("TEMPO_BACKBONE_ALEXNET", raising=False)
    found = evaluate_pair(*pictures(64, 64, 0.1), NAMES)
    assert found.keys() == {"lpips_vgg", "dists"}


def test_another_network_and_another_file_are_sentences(given, tmp_path):
    shutil.copy(given["vgg16"], tmp_path / "a.pth")
    use_backbones({"alexnet": tmp_path / "a.pth", "vgg16": given["alexnet"]})
    with pytest.raises(SpecError, match=r"is not AlexNet as torchvision writes it: features\.0"):
        evaluate_pair(*pictures(64, 64, 0.1), ["lpips_alex"])
    with pytest.raises(SpecError, match="is not VGG-16"):
        evaluate_pair(*pictures(64, 64, 0.1), ["dists"])
    (tmp_path / "b.pth").write_bytes(b"no weights")
    use_backbones({"alexnet": tmp_path / "b.pth"})
    with pytest.raises(SpecError, match="torch cannot read it"):
        evaluate_pair(*pictures(64, 64, 0.1), ["lpips_alex"])
    with pytest.raises(MissingError, match="there is no file nowhere"):
        use_backbones({"alexnet": "nowhere"})
    with pytest.raises(UnknownNameError, match="alexnet"):
        use_backbones({"alex": given["alexnet"]})
