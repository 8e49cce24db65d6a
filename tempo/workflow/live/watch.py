"""Watch a study in a browser: its page, made anew while the study runs."""

from __future__ import annotations

import threading
from html import escape
from pathlib import Path
from types import TracebackType

from tempo.records.layout import Store, default_root
from tempo.workflow.live.page_source import PageSource
from tempo.workflow.live.server import PageServer
from tempo.workflow.names import SPEC_SUFFIXES

DEFAULT = "default"
"""How plans of a study without a profile are called in the records."""


class LivePage:
    """The page of a study, served to this machine until it is closed. Use it in a `with` block, or
    call `close`.

    Attributes:
        study: the study's name.
        address: where browsers of this machine find the page; it holds a secret word, without which
            nothing is shown.
        awaited: says that the study has not begun, and which there are; empty where it has.

    >>> import tempo
    >>> page = tempo.watch("v2_to_v3")
    >>> page.study, page.awaited
    ('v2_to_v3', '')
    >>> page.close()
    """

    def __init__(self, source: PageSource, port: int | None = None) -> None:
        self.study, self.awaited = source.study, source.awaited()
        self._server = PageServer(source, port)
        self.address = self._server.address
        # What draws takes seconds to load: it is there when the first browser asks.
        threading.Thread(target=source.page, name="tempo-watch-first", daemon=True).start()

    def close(self) -> None:
        """Stop serving the page and leave the study alone; a second call does nothing."""
        self._server.close()

    def __enter__(self) -> LivePage:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<LivePage of {self.study} at {self.address}>"

    def _repr_html_(self) -> str:
        return f'<a href="{escape(self.address)}" target="_blank">{escape(self.study)}, live</a>'


def watch(
    study: str | Path,
    *,
    profile: str | None = None,
    records: str | Path | None = None,
    reports: str | Path = "reports",
    metric: str = "psnr",
    port: int | None = None,
) -> LivePage:
    """Serve the page of a study to browsers of this machine, from any process.

    The page tells how far each run is, draws curves, and says what failed and which looks were
    taken; it is made anew while the study runs. It shows no results and no verdicts, since looking
    at these costs a part of the error rate: the report has them. Nothing is written.

    Args:
        study: the name of a study, which need not have begun, or its spec.
        profile: which of its plans; default: that of the spec, or the one that was run last.
        records: the folder of records (default: `$TEMPO_RECORDS` or `records`).
        reports: the folder of reports, of which the page links to the study's.
        metric: of the validations that the table of runs shows.
        port: of the loopback interface; default: a free one.

    Raises:
        TempoError: the port cannot be used, or no study can be called so.
        SpecError: the spec cannot be read.

    >>> import tempo
    >>> with tempo.watch("v2_to_v3") as page:
    ...     page.address.startswith("http://127.0.0.1:")
    True
    """
    store = Store(default_root() if records is None else Path(records))
    name, profile = _named(str(study), profile)
    source = PageSource(store, name, profile, reports=Path(reports), metric=metric)
    return LivePage(source, port)


def _named(study: str, profile: str | None) -> tuple[str, str | None]:
    """Return the study and the profile that a name or a spec means."""
    if Path(study).suffix not in SPEC_SUFFIXES:
        return study, profile
    from tempo.spec.load import load_study

    loaded = load_study(Path(study), profile=profile)
    return loaded.spec.study, loaded.profile or DEFAULT
