"""What all tests share."""

import os

from hypothesis import settings

# The same examples on every run, so that a failure is the change's; `explore` draws new ones. No
# deadlines: the machines are shared.
settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("explore", max_examples=1000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))
