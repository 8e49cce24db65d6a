"""Read what a user sets once for all studies: `~/.config/tempo/profile.yaml`."""

from __future__ import annotations

import os
from pathlib import Path

from tempo.core.errors import Place, SpecError
from tempo.spec.options import Section
from tempo.spec.sections.keep import Keep
from tempo.spec.user.notify import Notify
from tempo.spec.user.settings_file import load_settings

VARIABLE = "TEMPO_USER_PROFILE"
"""Names another file as the user's profile."""


class UserProfile(Section):
    """Settings of a user for all studies; nothing here changes a result.

    `keep` is the policy for what studies leave open in their own `keep:`. `notify` is how the user
    is told what becomes of studies; without it nobody is.
    """

    keep: Keep = Keep()
    notify: Notify | None = None


def user_profile_path() -> Path:
    """Return the file of the user's profile: `$TEMPO_USER_PROFILE`, or `tempo/profile.yaml` below
    `$XDG_CONFIG_HOME` or `~/.config`."""
    if named := os.environ.get(VARIABLE):
        return Path(named).expanduser()
    folder = Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config").expanduser()
    return folder / "tempo" / "profile.yaml"


def load_user_profile(path: Path | None = None) -> UserProfile:
    """Read the user's profile; return the defaults where there is none.

    Raises:
        SpecError: when it cannot be read, naming the place of everything that breaks a rule; also
            when `$TEMPO_USER_PROFILE` names a file that does not exist.
    """
    path = path or user_profile_path()
    if not path.exists():
        if not os.environ.get(VARIABLE):
            return UserProfile()
        place = Place(str(path), 1, 1)
        raise SpecError(f"there is no such file, which ${VARIABLE} names", place)
    example = "keep: {checkpoints: best}"
    return load_settings(UserProfile, path, "the user's profile", example)
