"""What all tests share."""

import os
import tempfile
from pathlib import Path

from hypothesis import settings

# The same examples on every run, so that a failure is the change's; `explore` draws new ones. No
# deadlines: the machines are shared.
settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("explore", max_examples=1000, deadline=None)
# Studies of tests share slots with those of the same process alone, not with what else runs here.
_SLOTS = tempfile.TemporaryDirectory(prefix="tempo-slots-")
os.environ["TEMPO_SLOTS"] = str(Path(_SLOTS.name) / "slots.db")

settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))
