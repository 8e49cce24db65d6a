"""Run as a script: claim the keys of each ledger, once told to; prints what it got.

claimer.py ROOT KEYS URL [URL ...]
"""

import json
import sys
from pathlib import Path

from tempo.ledger.open import open_ledger
from tempo.ledger.port import this_process

root, keys, *urls = sys.argv[1:]
sys.stdin.readline()
claimed = {}
for url in urls:
    ledger = open_ledger(url, Path(root))
    found = {f"key-{n}": ledger.claim(f"key-{n}", this_process(), 600) for n in range(int(keys))}
    claimed[url] = {key: token for key, token in found.items() if token is not None}
    ledger.close()
print(json.dumps(claimed), flush=True)
# The keys of a process that ended are free on this host, so it stays until all others are done.
sys.stdin.readline()
