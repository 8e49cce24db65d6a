"""What a fork server imports first: it never collects garbage, for what it imports stays. Its forks
do."""

import gc

gc.disable()
