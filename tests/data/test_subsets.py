"""Lists that name some clips of a test set."""

import pytest
from PIL import Image

from tempo.core.errors import MissingError
from tempo.core.identity import short_hash
from tempo.data.testsets import open_test_set
from tests.moving_noise import picture


@pytest.fixture
def snu(tmp_path):
    """Six triplets of one video in SNU-FILM's layout."""
    folder = tmp_path / "test" / "clip"
    folder.mkdir(parents=True)
    lines = []
    for number in range(8):
        picture(number).save(folder / f"{number:06d}.png")
    for start in range(6):
        names = (f"data/SNU-FILM/test/clip/{start + step:06d}.png" for step in range(3))
        lines.append(" ".join(names))
    (tmp_path / "test-easy.txt").write_text("\n".join(lines))
    return tmp_path


def listed(folder, *lines):
    path = folder / "large.txt"
    path.write_text("\n".join(lines))
    return path


FIRST, THIRD = "clip/000000-000001-000002", "clip/000002-000003-000004"


def test_a_list_chooses_clips_in_the_order_of_the_set(snu, tmp_path):
    whole = open_test_set("snu_film_easy", snu)
    chosen = whole.subset(listed(tmp_path, "# by motion", THIRD, "", f"{FIRST}  # the slowest"))
    assert [clip.id for clip in chosen] == [FIRST, THIRD]
    assert (whole.name, chosen.name) == ("snu_film_easy", "snu_film_easy.large")
    assert (chosen.clip_id(1), chosen.expected) == (THIRD, None)
    meaning = chosen.protocol
    assert meaning["data_set"] == "snu_film_easy" and meaning["subset"] == "large"
    assert meaning["split_digest"] != whole.protocol["split_digest"]
    # The whole set is not what was published, and no part of it is.
    assert "6 clips where 310 were published" in " ".join(chosen.notes)


def test_the_digest_is_that_of_what_is_listed(snu, tmp_path):
    whole = open_test_set("snu_film_easy", snu)
    one = whole.subset(listed(tmp_path, FIRST, THIRD)).protocol
    assert whole.subset(listed(tmp_path, THIRD, "# other order", FIRST)).protocol == one
    other = whole.subset(listed(tmp_path, FIRST)).protocol
    assert other["subset_digest"] != one["subset_digest"]
    assert short_hash(other) != short_hash(one)


def test_lines_of_three_paths_are_known(snu, tmp_path):
    line = (snu / "test-easy.txt").read_text().splitlines()[2]
    chosen = open_test_set("snu_film_easy", snu).subset(listed(tmp_path, line))
    assert [clip.id for clip in chosen] == [THIRD]


def test_clips_that_break_leave_the_subset_a_subset(snu, tmp_path):
    chosen = open_test_set("snu_film_easy", snu).subset(listed(tmp_path, FIRST, THIRD))
    left = chosen.without({FIRST}, "one is broken")
    assert left.name == chosen.name and left.protocol["subset"] == "large"
    assert [clip.id for clip in left] == [THIRD]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["clip/000000-000001-000003"], "did you mean 'clip/000000-000001-000002'"),
        ([FIRST, "other", "more"], "that the set does not have, 2 of 3: other, more"),
        ([FIRST, THIRD, FIRST], f"names the clip '{FIRST}' more than once"),
        (["# nothing"], "none is named"),
        ([], "names no sequence"),
    ],
)
def test_a_list_that_does_not_fit_is_refused(snu, tmp_path, lines, said):
    whole = open_test_set("snu_film_easy", snu)
    with pytest.raises(MissingError, match=r"large\.txt") as caught:
        whole.subset(listed(tmp_path, *lines))
    assert said in str(caught.value)


def test_a_list_that_is_no_text_or_not_there(snu, tmp_path):
    whole = open_test_set("snu_film_easy", snu)
    Image.new("RGB", (8, 8)).save(tmp_path / "picture.png")
    with pytest.raises(MissingError, match=r"picture\.png is not text"):
        whole.subset(tmp_path / "picture.png")
    with pytest.raises(MissingError, match=r"cannot read .*none\.txt"):
        whole.subset(tmp_path / "none.txt")
