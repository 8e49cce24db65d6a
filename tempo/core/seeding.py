"""One seed, many independent named streams.

Every random choice in Tempo draws from `stream(seed, *names)`. Two variants that ask for the same
names under the same seed get the same numbers: that is what makes replicates paired.
"""

from __future__ import annotations

import hashlib


def stream(seed: int, *names: str | int) -> int:
    """A seed in [0, 2**63) for the stream called `names` under `seed`.

    The parts are length-prefixed, so ("a", "bc") and ("ab", "c") are different streams.
    """
    digest = hashlib.blake2b(digest_size=8)
    for part in (seed, *names):
        text = f"{type(part).__name__}:{part}".encode()
        digest.update(len(text).to_bytes(4, "big") + text)
    return int.from_bytes(digest.digest(), "big") >> 1
