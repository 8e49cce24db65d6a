"""Implement the ledger with claim files on a file system that all hosts share.

<root>/<key>/<token>.json       a claim, linked into place whole, so that one of several wins
<root>/<key>/<token>.released   it was given back
<root>/<key>/<token>.span       the steps it published
<root>/<key>/stop               the holder of the key is asked to stop

Nothing here expires, because no clock is shared: a claim is taken over only from a process that
died on this very host. Any other has to be freed by hand, by a person who knows that it is gone.
"""

from __future__ import annotations

import json
import math
import os
import secrets
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from urllib.parse import quote

from tempo.core.errors import LedgerError
from tempo.ledger.port import Hold, Owner, Span, is_dead

NOBODY = Owner(host="", pid=0, started=0.0)


class FilesLedger:
    """Any number of hosts that share `root`; hard links have to work there (NFS, Lustre, ...)."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def url(self) -> str:
        return "files"

    def claim(self, key: str, owner: Owner, ttl: float, above: int = 0) -> int | None:
        hold = self._hold(key)
        if hold is not None and (hold.asked_to_stop or (hold.held and not is_dead(hold.owner))):
            return None
        # Fencing: the next token's file is linked into place, which succeeds for one claimer only.
        token = max(hold.token if hold else 0, above) + 1
        return token if self._put(self._claim(key, token), asdict(owner)) else None

    def again(self, key: str, token: int) -> int | None:
        if not self._newest(key, token):
            return None
        owner = json.loads(self._claim(key, token).read_text())
        return token + 1 if self._put(self._claim(key, token + 1), owner) else None

    def renew(self, key: str, token: int, ttl: float) -> Hold | None:
        hold = self._hold(key)
        return hold if hold is not None and hold.held and hold.token == token else None

    def publish(self, key: str, token: int) -> bool:
        return self._newest(key, token)

    def release(self, key: str, token: int) -> None:
        if self._newest(key, token):
            self._put(self._claim(key, token).with_suffix(".released"), {})

    def began(self, key: str, token: int, step: int) -> None:
        if self._newest(key, token):
            path = self._claim(key, token).with_suffix(".span")
            self._put(path, {"first": step, "last": None}, replace=True)

    def reached(self, key: str, token: int, step: int) -> None:
        path = self._claim(key, token).with_suffix(".span")
        if self._newest(key, token) and path.is_file():
            steps = json.loads(path.read_text()) | {"last": step}
            self._put(path, steps, replace=True)

    def ask_to_stop(self, keys: Iterable[str], stop: bool = True) -> None:
        for key in keys:
            path = self._folder(key) / "stop"
            if stop:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
            else:
                path.unlink(missing_ok=True)

    def holds(self, keys: Iterable[str]) -> Mapping[str, Hold]:
        found = {key: self._hold(key) for key in dict.fromkeys(keys)}
        return {key: hold for key, hold in found.items() if hold is not None}

    def standing(self, keys: Collection[str]) -> Mapping[str, Hold]:
        claimed = {each.name for each in self.root.iterdir()} if self.root.is_dir() else set()
        holds = self.holds(key for key in keys if self._folder(key).name in claimed)
        return {key: hold for key, hold in holds.items() if hold.held or hold.asked_to_stop}

    def spans(self, key: str) -> tuple[Span, ...]:
        """Return the spans as recorded, each cut where a later claim began."""
        paths = sorted(self._folder(key).glob("*.span"), key=lambda path: int(path.stem))
        noted = [(int(path.stem), json.loads(path.read_text())) for path in paths]
        spans = []
        for place, (token, steps) in enumerate(noted):
            first, last = steps["first"], steps["last"]
            bounds = [last] if last is not None else []
            bounds += [later["first"] for _, later in noted[place + 1 :]]
            owner = Owner(**json.loads(self._claim(key, token).read_text()))
            last = max(first, min(bounds)) if bounds else None
            spans.append(Span(key=key, token=token, owner=owner, first=first, last=last))
        return tuple(spans)

    def close(self) -> None:
        """Do nothing: no file is kept open."""

    def _folder(self, key: str) -> Path:
        # A key of dots alone would lead out of the folder.
        return self.root / quote(key, safe="").replace(".", "%2E")

    def _claim(self, key: str, token: int) -> Path:
        return self._folder(key) / f"{token}.json"

    def _token(self, key: str) -> int:
        """Return the newest token; 0 when the key was never claimed."""
        names = self._folder(key).glob("*.json")
        return max((int(path.stem) for path in names if path.stem.isdecimal()), default=0)

    def _newest(self, key: str, token: int) -> bool:
        released = self._claim(key, token).with_suffix(".released")
        return token > 0 and self._token(key) == token and not released.exists()

    def _hold(self, key: str) -> Hold | None:
        token, stop = self._token(key), (self._folder(key) / "stop").exists()
        if token == 0:
            return _waiting(key) if stop else None
        claim = self._claim(key, token)
        held = not claim.with_suffix(".released").exists()
        return Hold(
            key=key,
            owner=Owner(**json.loads(claim.read_text())),
            token=token,
            held=held,
            left=math.inf if held else -math.inf,
            asked_to_stop=stop,
        )

    def _put(self, path: Path, content: Mapping[str, object], *, replace: bool = False) -> bool:
        """Write a file atomically; return False when it exists already."""
        draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            draft.write_text(json.dumps(content))
            if replace:
                draft.replace(path)
            else:
                os.link(draft, path)
        except FileExistsError:
            return False
        except OSError as error:
            raise LedgerError(f"the ledger's claim {path} cannot be written: {error}") from error
        finally:
            draft.unlink(missing_ok=True)
        return True


def _waiting(key: str) -> Hold:
    """Return the row of a key that was asked to stop before its first claim."""
    return Hold(key=key, owner=NOBODY, token=0, held=False, left=-math.inf, asked_to_stop=True)
