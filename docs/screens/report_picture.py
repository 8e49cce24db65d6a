"""Take a picture of the first screen of a report, and say which verdicts it shows."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))),
    None,
)

HEIGHTS = {1280: 800, 390: 844}
"""Height of a window by its width: a laptop's and a telephone's."""

_IN_SIGHT = """() => [...document.querySelectorAll('#answer tbody tr')].map(row => {
  const word = row.querySelector('td.word'), name = row.querySelector('th');
  const seen = each => {
    const box = each.getBoundingClientRect();
    const top = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
    return box.width > 0 && box.left >= 0 && box.right <= innerWidth && box.top >= 0
      && box.bottom <= innerHeight && top !== null && (each.contains(top) || top.contains(each));
  };
  return [name.textContent.trim(), word.textContent.trim(), seen(word) && seen(name)];
})"""
"""Name, verdict, and whether both lie in the window with nothing before them, of each row."""


@dataclass(frozen=True)
class FirstScreen:
    """A picture of the first screen, as PNG, and each row of its table of answers."""

    picture: bytes
    rows: tuple[tuple[str, str, bool], ...]

    def shows(self, variant: str, word: str) -> bool:
        """Return whether the verdict on a variant can be read without scrolling."""
        return any(
            name == variant and word in said.split() and seen for name, said, seen in self.rows
        )


@contextmanager
def browser() -> Iterator[Any]:
    """Start a headless Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


def first_screen(chromium: Any, page: Path, width: int) -> FirstScreen:
    """Open a page in a window of one of the widths of `HEIGHTS`, scroll nothing."""
    context = chromium.new_context(viewport={"width": width, "height": HEIGHTS[width]})
    try:
        shown = context.new_page()
        shown.goto(page.resolve().as_uri(), wait_until="load")
        rows = tuple((name, said, bool(seen)) for name, said, seen in shown.evaluate(_IN_SIGHT))
        return FirstScreen(shown.screenshot(), rows)
    finally:
        context.close()
