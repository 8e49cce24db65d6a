"""The published test sets, each on a tiny tree in its layout."""

import json
import pickle
from dataclasses import replace

import cv2
import numpy as np
import pytest
from PIL import Image

from tempo.core.errors import MissingError, UnknownNameError
from tempo.core.identity import short_hash
from tempo.data.fingerprints import PIECE
from tempo.data.testsets import (
    TEST_SETS,
    TestSet,
    expand_names,
    facts_of,
    open_test_set,
)
from tempo.data.testsets.transforms import central_half, half_by_area

SMALL = (216, 408)


def noise(seed, size):
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)


def save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, compress_level=1)
    return pixels


def shrink(monkeypatch, names):
    """The same sets with files a tenth as large; what was published is returned."""
    published = [facts_of(name) for name in names]
    smaller = {
        facts.name: replace(
            facts, stored=SMALL, size=tuple(side * facts.size[0] // 2160 for side in SMALL)
        )
        for facts in published
    }
    monkeypatch.setattr("tempo.data.testsets.facts_of", smaller.__getitem__)
    return published


def vimeo(root, listed, numbers, size=(256, 448)):
    names = ["00001/0002", "00004/0001"]
    for place, name in enumerate(names):
        for n in numbers:
            save(root / "sequences" / name / f"im{n}.png", noise(10 * place + n, size))
    (root / listed).write_bytes("\r\n".join(["", *names, "  ", ""]).encode())
    return root


def test_vimeo_triplets(tmp_path):
    clips = open_test_set("vimeo90k", vimeo(tmp_path, "tri_testlist.txt", (1, 2, 3)))
    assert [clip.id for clip in clips] == ["00001/0002", "00004/0001"]
    clip = clips[1]
    assert clip.source == "00004"
    np.testing.assert_array_equal(clip.frames, [noise(11, (256, 448)), noise(13, (256, 448))])
    np.testing.assert_array_equal(clip.target, noise(12, (256, 448)))
    assert (clip.times, clip.target_time) == ((0.0, 1.0), 0.5)
    assert (clips.expected, clips.facts.consecutive) == (3782, False)
    assert clips.sequences() == []


def test_vimeo_septuplets_show_four_frames(tmp_path):
    root = vimeo(tmp_path, "sep_testlist.txt", range(1, 8))
    clips = open_test_set("vimeo90k_septuplet", root)
    clip = clips[0]
    np.testing.assert_array_equal(clip.frames, [noise(n, (256, 448)) for n in (1, 3, 5, 7)])
    np.testing.assert_array_equal(clip.target, noise(4, (256, 448)))
    assert clip.times == (0.0, 1 / 3, 2 / 3, 1.0)
    assert (clip.target_time, clips.expected) == (0.5, 7824)


def test_ucf101(tmp_path):
    for place, folder in enumerate(("1", "11", "2")):
        for n, name in enumerate(("frame_00", "frame_01_gt", "frame_02", "frame_01_ours")):
            save(tmp_path / folder / f"{name}.png", noise(10 * place + n, (256, 256)))
    clips = open_test_set("ucf101", tmp_path)
    assert [clip.id for clip in clips] == ["1", "2", "11"]
    np.testing.assert_array_equal(clips[1].frames, [noise(n, (256, 256)) for n in (20, 22)])
    np.testing.assert_array_equal(clips[1].target, noise(21, (256, 256)))
    assert clips.expected == 379


def test_middlebury_has_scenes_of_several_sizes(tmp_path):
    for place, (scene, size) in enumerate((("Urban2", (48, 64)), ("Beanbags", (40, 60)))):
        save(tmp_path / "other-data" / scene / "frame10.png", noise(place, size))
        save(tmp_path / "other-data" / scene / "frame11.png", noise(place + 10, size))
        save(tmp_path / "other-gt-interp" / scene / "frame10i11.png", noise(place + 20, size))
    save(tmp_path / "other-data" / "Army" / "frame10.png", noise(5, (8, 8)))
    clips = open_test_set("middlebury", tmp_path)
    assert [clip.id for clip in clips] == ["Beanbags", "Urban2"]
    np.testing.assert_array_equal(clips[1].frames, [noise(0, (48, 64)), noise(10, (48, 64))])
    np.testing.assert_array_equal(clips[0].target, noise(21, (40, 60)))
    assert clips.protocol["size"] == "as stored"
    assert clips.expected == 12


def test_middlebury_may_be_flat(tmp_path):
    for n, name in enumerate(("frame10", "frame11", "frame10i11")):
        published = tmp_path / "two" / ("other-gt-interp" if n == 2 else "other-data")
        for folder in (published, tmp_path / "one"):
            save(folder / "Walking" / f"{name}.png", noise(n, (48, 64)))
    (tmp_path / "one" / "Army").mkdir()
    two, one = (open_test_set("middlebury", tmp_path / each) for each in ("two", "one"))
    np.testing.assert_array_equal(one[0].target, noise(2, (48, 64)))
    np.testing.assert_array_equal(one[0].frames, two[0].frames)
    assert one.protocol == two.protocol


def test_upper_and_lower_case_may_differ(tmp_path):
    root = vimeo(tmp_path / "a", "tri_testlist.txt", (1, 2, 3))
    other = vimeo(tmp_path / "b", "Tri_TestList.txt", (1, 2, 3))
    (other / "sequences").rename(other / "Sequences")
    for file in sorted(other.rglob("im*.png")):
        file.rename(file.with_name(file.name.upper()))
    spelled = open_test_set("vimeo90k", other)
    assert spelled.protocol == open_test_set("vimeo90k", root).protocol
    assert spelled[0].target.shape == (256, 448, 3)
    # Where two files differ in case alone, neither is chosen.
    twice = other / "Sequences" / "00001" / "0002"
    (twice / "Im1.png").write_bytes(b"")
    with pytest.raises(MissingError, match=r"im1\.png"):
        open_test_set("vimeo90k", other)


@pytest.fixture
def snu(tmp_path):
    for n in range(1, 18):
        save(tmp_path / "test" / "GOPR0384" / f"{n:06d}.png", noise(n, (36, 64)))
    for level, gap in (("easy", 1), ("medium", 2), ("hard", 4), ("extreme", 8)):
        names = [f"data/SNU-FILM/test/GOPR0384/{1 + step * gap:06d}.png" for step in range(3)]
        lines = f"\r\n{' '.join(names)} \r\n\r\n"
        (tmp_path / f"test-{level}.txt").write_bytes(lines.encode())
    return tmp_path


def test_snu_film_has_four_levels_and_the_authors_paths(snu):
    names = expand_names(["snu_film"])
    assert names == [f"snu_film_{level}" for level in ("easy", "medium", "hard", "extreme")]
    for name, gap in zip(names, (1, 2, 4, 8), strict=True):
        (clip,) = open_test_set(name, snu)
        np.testing.assert_array_equal(clip.frames, [noise(n, (36, 64)) for n in (1, 1 + 2 * gap)])
        np.testing.assert_array_equal(clip.target, noise(1 + gap, (36, 64)))
        assert clip.source == "GOPR0384"
        assert facts_of(name).expected == 310
    hashes = {short_hash(open_test_set(name, snu).protocol) for name in names}
    assert len(hashes) == 4


def test_snu_film_arb_asks_for_every_frame_between(snu):
    lists = {4: "medium", 8: "hard", 16: "extreme"}
    names = expand_names(["snu_film_arb"])
    assert names == [f"snu_film_arb_{distance}x" for distance in lists]
    for name, distance in zip(names, lists, strict=True):
        clips = open_test_set(name, snu)
        assert len(clips) == distance - 1
        assert facts_of(name).expected == 310 * (distance - 1)
        for step, clip in enumerate(clips, 1):
            np.testing.assert_array_equal(clip.target, noise(1 + step, (36, 64)))
            np.testing.assert_array_equal(clip.frames[0], noise(1, (36, 64)))
            np.testing.assert_array_equal(clip.frames[1], noise(1 + distance, (36, 64)))
            assert clip.target_time == step / distance
        assert clips.sequences() == [range(distance - 1)]
        # The list's own middle frame is the one at half time.
        (middle,) = open_test_set(f"snu_film_{lists[distance]}", snu)
        half = next(clip for clip in clips if clip.target_time == 0.5)
        np.testing.assert_array_equal(half.target, middle.target)


def test_snu_film_arb_refuses_a_list_of_other_distances(snu):
    (snu / "test-medium.txt").write_bytes((snu / "test-hard.txt").read_bytes())
    with pytest.raises(MissingError, match="are 8 frames apart, not 4"):
        open_test_set("snu_film_arb_4x", snu)


def gopro(root, frames):
    for n in range(frames):
        save(root / "GOPR0410_11_00" / f"{n + 100:06d}.png", noise(n, (720, 1280)))


def cut(n):
    return noise(n, (720, 1280))[104:616, 384:896]


@pytest.mark.parametrize("place", ["", "test"])
def test_gopro_asks_for_seven_frames_between(tmp_path, place):
    gopro(tmp_path / place, 18)  # Two windows of 9, and one frame more.
    clips = open_test_set("gopro_8x", tmp_path)
    assert len(clips) == 14
    assert [clip.target_time for clip in clips][:7] == [step / 8 for step in range(1, 8)]
    assert clips.sequences() == [range(7), range(7, 14)]
    clip = clips[9]
    np.testing.assert_array_equal(clip.frames, [cut(8), cut(16)])
    np.testing.assert_array_equal(clip.target, cut(11))
    assert clip.target_time == 3 / 8
    assert clips.protocol["transform"] == "central 512x512"


def test_gopro_with_four_inputs_asks_in_the_middle(tmp_path):
    gopro(tmp_path, 33)
    clips = open_test_set("gopro_8x_four", tmp_path)
    assert len(clips) == 14
    clip = clips[7]
    np.testing.assert_array_equal(clip.frames, [cut(n) for n in (8, 16, 24, 32)])
    np.testing.assert_array_equal(clip.target, cut(17))
    assert clip.times == (0.0, 1 / 3, 2 / 3, 1.0)
    assert clip.target_time == 9 / 24


def test_ucf101_with_four_inputs(tmp_path):
    names = ["frame0", "frame1", "frame2", "frame3", "framet"]
    for folder in ("2", "10"):
        for n, name in enumerate(names):
            save(tmp_path / folder / f"{name}.png", noise(n + int(folder), (225, 231)))
    clips = open_test_set("ucf101_four", tmp_path)
    assert [clip.id for clip in clips] == ["2", "10"]
    # torchvision's CenterCrop: half of 1 rounds to 0, half of 7 to 4.
    expected = [noise(n + 10, (225, 231))[0:224, 4:228] for n in range(5)]
    np.testing.assert_array_equal(clips[1].frames, expected[:4])
    np.testing.assert_array_equal(clips[1].target, expected[4])
    assert (clips[1].times, clips[1].target_time) == ((0.0, 1 / 3, 2 / 3, 1.0), 0.5)


def test_davis_with_four_inputs(tmp_path):
    for n in range(10):
        save(tmp_path / "bear" / f"{n:05d}.png", noise(n, (480, 854)))
    clips = open_test_set("davis_four", tmp_path)
    assert [clip.id for clip in clips] == ["bear/00003", "bear/00005"]
    np.testing.assert_array_equal(
        clips[1].frames, [noise(n, (480, 854))[:, 7:847] for n in (2, 4, 6, 8)]
    )
    np.testing.assert_array_equal(clips[1].target, noise(5, (480, 854))[:, 7:847])
    save(tmp_path / "bear" / "00005.png", noise(5, (480, 800)))
    with pytest.raises(MissingError, match="is 800x480, of which no central 840x480"):
        open_test_set("davis_four", tmp_path)[1]


def test_a_line_that_is_no_triplet_is_shown(snu):
    (snu / "test-easy.txt").write_text("a.png b.png\n")
    with pytest.raises(MissingError, match=r"not three paths: 'a\.png b\.png'"):
        open_test_set("snu_film_easy", snu)


@pytest.mark.parametrize("flat", [True, False])
def test_xiph_shows_even_frames_in_two_sizes(tmp_path, flat, monkeypatch):
    published = shrink(monkeypatch, ["xiph_2k", "xiph_4k"])
    assert {(facts.stored, facts.size) for facts in published} == {((2160, 4096), (1080, 2048))}

    def path(clip, n):
        return tmp_path / (f"{clip}-{n:03d}.png" if flat else f"{clip}/{n:03d}.png")

    stored = [save(path("Tango", n), noise(n, SMALL)) for n in (1, 2, 3)]
    for n in range(4, 103):
        path("Tango", n).touch()
    two, four = open_test_set("xiph_2k", tmp_path), open_test_set("xiph_4k", tmp_path)
    assert len(two) == len(four) == 49
    assert two.items[48].id == "Tango/097"
    assert two.sequences() == [range(49)]
    assert two.facts.consecutive
    assert two.expected == 8 * 49
    small = [cv2.resize(each, (204, 108), interpolation=cv2.INTER_AREA) for each in stored]
    np.testing.assert_array_equal(two[0].frames, [small[0], small[2]])
    np.testing.assert_array_equal(two[0].target, small[1])
    np.testing.assert_array_equal(four[0].target, stored[1][54:-54, 102:-102])
    assert two.protocol != four.protocol
    path("Tango", 50).unlink()
    with pytest.raises(MissingError, match="Tango has no frame 50"):
        open_test_set("xiph_2k", tmp_path)


def test_x_test_asks_for_seven_times(tmp_path, monkeypatch):
    published = shrink(monkeypatch, ["x_test", "x_test_2k"])
    assert [facts.stored for facts in published] == [(2160, 4096)] * 2
    assert [facts.size for facts in published] == [(2160, 4096), (1080, 2048)]
    for kind, scene in (("Type1", "TEST02_045_f0465"), ("Type2", "TEST10_172_f1905")):
        for n in range(33):
            (tmp_path / kind / scene).mkdir(parents=True, exist_ok=True)
            (tmp_path / kind / scene / f"{n:04d}.png").touch()
    folder = tmp_path / "Type1" / "TEST02_045_f0465"
    stored = {n: save(folder / f"{n:04d}.png", noise(n, SMALL)) for n in (0, 12, 32)}
    clips = open_test_set("x_test", tmp_path)
    assert len(clips) == 14
    assert clips.sequences() == [range(7), range(7, 14)]
    times = [item.target_time for item in clips.items[:7]]
    assert times == [n / 8 for n in range(1, 8)]
    clip = clips[2]
    assert (clip.id, clip.target_time) == ("TEST02_045_f0465/12", 0.375)
    np.testing.assert_array_equal(clip.frames, [stored[0], stored[32]])
    np.testing.assert_array_equal(clip.target, stored[12])
    half = open_test_set("x_test_2k", tmp_path)
    np.testing.assert_array_equal(half[2].target, half_by_area(stored[12]))
    assert half.expected == clips.expected == 105
    (folder / "0031.png").unlink()
    with pytest.raises(MissingError, match="holds 32 frames, not 33"):
        open_test_set("x_test", tmp_path)


@pytest.mark.parametrize("place", ["", "test", "x4k1000fps/test", "Test"])
def test_x_test_may_lie_below_the_root(tmp_path, place, monkeypatch):
    shrink(monkeypatch, ["x_test"])
    scene = tmp_path / place / "Type1" / "TEST01_003_f0433"
    for n in range(33):
        save(scene / f"{n:04d}.png", noise(n % 3, SMALL))
    assert len(open_test_set("x_test", tmp_path)) == 7


def test_davis_asks_for_every_second_frame_of_each_folder(tmp_path):
    base = tmp_path / "JPEGImages" / "480p"
    for n in range(6):
        save(base / "bear" / f"{n:05d}.png", noise(n, (30, 40)))
    for n in range(3):
        (base / "camel").mkdir(exist_ok=True)
        Image.fromarray(noise(n, (32, 32))).save(base / "camel" / f"{n:05d}.jpg")
    (base / "empty").mkdir()
    clips = open_test_set("davis", tmp_path)
    assert [item.id for item in clips.items] == ["bear/00001", "bear/00003", "camel/00001"]
    np.testing.assert_array_equal(clips[1].frames, [noise(2, (30, 40)), noise(4, (30, 40))])
    assert clips.sequences() == [range(2)]
    assert clips.notes == ()
    before = clips.digest
    save(base / "bear" / "00003.png", np.zeros((30, 40, 3), np.uint8))
    assert open_test_set("davis", tmp_path).digest != before


def test_a_protocol_is_json_and_names_what_was_asked(tmp_path):
    clips = open_test_set("vimeo90k", vimeo(tmp_path, "tri_testlist.txt", (1, 2, 3)))
    meaning = clips.protocol
    assert json.loads(json.dumps(meaning)) == meaning
    assert meaning["inputs"] == "im1, im3 -> im2"
    assert meaning["transform"] == "none"
    assert meaning["size"] == [256, 448]
    (tmp_path / "tri_testlist.txt").write_text("00001/0002\n")
    fewer = open_test_set("vimeo90k", tmp_path)
    assert short_hash(fewer.protocol) != short_hash(meaning)
    assert fewer.notes == (
        "Vimeo-90K triplets: 1 clips where 3782 were published: do not quote its numbers",
    )


def test_clips_can_be_left_out_and_it_shows(tmp_path):
    clips = open_test_set("vimeo90k", vimeo(tmp_path, "tri_testlist.txt", (1, 2, 3)))
    left = clips.without({"00001/0002"}, "1 clip is unreadable")
    assert [clip.id for clip in left] == ["00004/0001"]
    assert left.digest != clips.digest
    assert "1 clip is unreadable" in left.notes


def test_the_digest_does_not_depend_on_the_machine(tmp_path):
    one = open_test_set("vimeo90k", vimeo(tmp_path / "a", "tri_testlist.txt", (1, 2, 3)))
    two = open_test_set("vimeo90k", vimeo(tmp_path / "b", "tri_testlist.txt", (1, 2, 3)))
    assert one.digest == two.digest


def test_other_pictures_under_the_same_names_are_another_set(tmp_path):
    root, cache = vimeo(tmp_path / "set", "tri_testlist.txt", (1, 2, 3)), tmp_path / "cache"
    before = open_test_set("vimeo90k", root, cache=cache).protocol
    assert open_test_set("vimeo90k", root, cache=cache).protocol == before
    assert open_test_set("vimeo90k", root).protocol == before
    path = root / "sequences" / "00004/0001" / "im2.png"
    kept = path.read_bytes()
    Image.fromarray(255 - np.asarray(Image.open(path))).save(path, compress_level=1)
    assert short_hash(open_test_set("vimeo90k", root, cache=cache).protocol) != short_hash(before)
    path.write_bytes(kept)
    assert open_test_set("vimeo90k", root, cache=cache).protocol == before


def test_of_many_pictures_the_ends_are_looked_at(tmp_path, monkeypatch):
    root = vimeo(tmp_path, "tri_testlist.txt", (1, 2, 3))
    whole = open_test_set("vimeo90k", root).digest
    monkeypatch.setattr("tempo.data.fingerprints.SMALL", 0)
    before = open_test_set("vimeo90k", root).digest
    assert before != whole
    path = root / "sequences" / "00004/0001" / "im2.png"
    pixels, size = np.array(Image.open(path)), path.stat().st_size
    assert size > 4 * PIECE
    # One pixel far from the beginning, the middle and the end of the file: its checksum differs.
    pixels[64, 0] ^= 255
    Image.fromarray(pixels).save(path, compress_level=1)
    assert open_test_set("vimeo90k", root).digest != before


def test_few_pictures_are_held_and_a_set_can_be_sent_to_a_process(tmp_path):
    for n in range(21):
        save(tmp_path / "walk" / f"{n}.png", noise(n, (8, 8)))
    clips = open_test_set("davis", tmp_path)
    for clip in clips:
        assert clip.frames.shape == (2, 8, 8, 3)
        assert len(clips._pictures) <= TestSet.KEPT
    again = pickle.loads(pickle.dumps(clips))
    np.testing.assert_array_equal(again[3].target, clips[3].target)


def damaged(root, how):
    path = root / "sequences" / "00004/0001" / "im2.png"
    if how == "truncated":
        path.write_bytes(path.read_bytes()[:3000])
    elif how == "empty":
        path.write_bytes(b"")
    else:
        Image.new("RGB", (440, 256)).save(path)
    return path


@pytest.mark.parametrize(
    ("how", "said"),
    [("truncated", "truncated"), ("empty", "not an image"), ("small", "440x256, not 448x256")],
)
def test_a_bad_picture_is_named_and_the_others_can_be_read(tmp_path, how, said):
    root = vimeo(tmp_path, "tri_testlist.txt", (1, 2, 3))
    path = damaged(root, how)
    clips = open_test_set("vimeo90k", root)
    assert clips[0].id == "00001/0002"
    with pytest.raises(MissingError, match=said) as caught:
        clips[1]
    assert str(path) in str(caught.value)


def test_missing_pictures_are_counted_and_named_before_any_is_read(tmp_path):
    root = vimeo(tmp_path, "tri_testlist.txt", (1, 2, 3))
    gone = root / "sequences" / "00004/0001" / "im2.png"
    gone.unlink()
    with pytest.raises(MissingError, match="1 of 6 pictures are missing") as caught:
        open_test_set("vimeo90k", root)
    assert str(gone) in str(caught.value)


def test_frames_of_two_sizes_are_refused(tmp_path):
    for n, size in enumerate(((8, 8), (8, 8), (8, 10))):
        save(tmp_path / "walk" / f"{n}.png", noise(n, size))
    with pytest.raises(MissingError, match=r"2\.png and .*1\.png differ in size"):
        open_test_set("davis", tmp_path)[0]


def test_an_empty_list_and_a_file_that_may_not_be_read(tmp_path, monkeypatch):
    root = vimeo(tmp_path, "tri_testlist.txt", (1, 2, 3))
    (root / "tri_testlist.txt").write_text("\r\n \r\n")
    with pytest.raises(MissingError, match=r"tri_testlist\.txt names no sequence"):
        open_test_set("vimeo90k", root)

    def forbidden(*_, **__):
        raise PermissionError(13, "Permission denied", str(root))

    # Root may read everything, so the refusal is played.
    monkeypatch.setattr("pathlib.Path.read_text", forbidden)
    with pytest.raises(MissingError, match="Permission denied"):
        open_test_set("vimeo90k", root)
    monkeypatch.setattr("pathlib.Path.iterdir", forbidden)
    with pytest.raises(MissingError, match="Permission denied"):
        open_test_set("davis", root)


@pytest.mark.parametrize("name", TEST_SETS)
def test_where_a_set_is_looked_for(name, tmp_path, monkeypatch):
    monkeypatch.setenv("TEMPO_DATASETS", str(tmp_path))
    with pytest.raises(MissingError) as caught:
        open_test_set(name)
    said = str(caught.value)
    assert f"{tmp_path}/{facts_of(name).folder}" in said
    assert f"set TEMPO_{name.upper()}" in said
    assert facts_of(name).help in said
    monkeypatch.setenv(f"TEMPO_{name.upper()}", str(tmp_path / "own"))
    with pytest.raises(MissingError, match="own"):
        open_test_set(name)


def test_an_empty_folder_has_no_clips(tmp_path):
    for name in ("ucf101", "xiph_2k", "x_test", "davis"):
        with pytest.raises(MissingError, match="no clip under"):
            open_test_set(name, tmp_path)
    with pytest.raises(MissingError, match=r"holds no <scene>/frame10i11\.png"):
        open_test_set("middlebury", tmp_path)


def test_an_unknown_set_names_the_nearest():
    with pytest.raises(UnknownNameError, match="did you mean 'ucf101'"):
        open_test_set("ucf1O1")
    with pytest.raises(UnknownNameError):
        expand_names(["vimeo90k", "nothing"])
    assert expand_names(["xiph", "ucf101", "xiph_2k"]) == ["xiph_2k", "xiph_4k", "ucf101"]


def test_transforms_on_noise():
    pixels = noise(0, (40, 56))
    small = cv2.resize(pixels, (28, 20), interpolation=cv2.INTER_AREA)
    np.testing.assert_array_equal(half_by_area(pixels), small)
    np.testing.assert_array_equal(central_half(pixels), pixels[10:30, 14:42])
