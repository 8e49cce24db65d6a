"""The keep policy of a spec and of the user's profile: what it means, what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from tempo.core.errors import SpecError
from tempo.spec.sections.keep import Keep
from tempo.spec.study import identity
from tempo.spec.user.user_profile import UserProfile, load_user_profile, user_profile_path

from .conftest import MINIMAL, Load


def test_fields_mean_what_they_say() -> None:
    keep = Keep(checkpoints="best", galleries="3 seeds", after="30d")
    assert (keep.gallery_seeds, keep.grace, keep.lets_go) == (3, 30 * 86400, True)
    assert str(keep) == "checkpoints: best, galleries: 3 seeds, after: 30d"
    nothing = Keep(checkpoints="all", galleries="all", after="2w")
    assert (nothing.gallery_seeds, nothing.grace, nothing.lets_go) == (None, 14 * 86400, False)
    assert not Keep().lets_go and Keep(galleries="1 seed").lets_go


def test_a_policy_changes_no_run_and_may_stand_in_a_profile(load: Load) -> None:
    plain = load(MINIMAL).spec
    kept = load(MINIMAL + "keep: {checkpoints: best}\nprofiles: {smoke: {keep: {after: 2h}}}\n")
    assert identity(plain, 0) == identity(kept.spec, 0) and kept.spec.keep.after is None
    overlaid = load(
        MINIMAL + "keep: {checkpoints: best}\nprofiles: {smoke: {keep: {after: 2h}}}\n",
        profile="smoke",
    )
    assert overlaid.spec.keep == Keep(checkpoints="best", after="2h")


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("{checkpoints: bset}", "did you mean 'best'"),
        ("{checkpoints: none}", "must be 'all' or 'best'"),
        ("{galleries: 0 seeds}", "how many seeds of each variant"),
        ("{galleries: 3}", "must be text"),
        ("{after: 30}", "must be text"),
        ("{after: 30 days}", "a number and a unit"),
        ("{checkpoint: best}", "did you mean 'checkpoints'"),
        ("best", "must be a mapping"),
    ],
)
def test_what_is_no_policy_is_refused_with_its_place(load: Load, text: str, rule: str) -> None:
    with pytest.raises(SpecError, match=rule) as caught:
        load(f"{MINIMAL}keep: {text}\n")
    assert "keep" in str(caught.value) and ".yaml:" in str(caught.value)


def test_the_profile_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEMPO_USER_PROFILE", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    path = tmp_path / "tempo" / "profile.yaml"
    assert user_profile_path() == path and load_user_profile() == UserProfile()
    path.parent.mkdir()
    path.write_text("# nothing yet\n")
    assert load_user_profile() == UserProfile()
    path.write_text("keep: {checkpoints: best}\n")
    assert load_user_profile().keep == Keep(checkpoints="best")
    other = tmp_path / "other.yaml"
    monkeypatch.setenv("TEMPO_USER_PROFILE", str(other))
    with pytest.raises(SpecError, match="no such file, which \\$TEMPO_USER_PROFILE names"):
        load_user_profile()
    other.write_text("keep: {galleries: 2 seeds}\n")
    assert load_user_profile().keep == Keep(galleries="2 seeds")


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (b"- 1\n", "is a mapping"),
        (b"kep: {}\n", "did you mean 'keep'"),
        (b"keep: {after: never}\n", "a number and a unit"),
        (b"keep: {after: 1d\n", "profile.yaml:"),
        (b"\xff\xfe\n", "cannot be read"),
    ],
)
def test_a_broken_profile_is_refused(tmp_path: Path, content: bytes, rule: str) -> None:
    path = tmp_path / "profile.yaml"
    path.write_bytes(content)
    with pytest.raises(SpecError, match=rule):
        load_user_profile(path)
