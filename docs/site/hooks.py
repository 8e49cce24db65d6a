"""Add the generated references to the site, and mend links that leave the documentation.

mkdocs calls these functions while it builds (https://www.mkdocs.org/user-guide/configuration/#hooks).
"""

from __future__ import annotations

import re
from typing import Any

import api_reference
import command_reference
import field_reference
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

GENERATED = "GENERATED"
"""Stands in mkdocs.yml where the pages of the field reference go."""


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the pages of the field reference into the navigation."""
    places = [
        f"{field_reference.FOLDER}/{page.name}.md"
        if page.name == "index"
        else {page.name: f"{field_reference.FOLDER}/{page.name}.md"}
        for page in field_reference.pages()
    ]
    config.nav = _replaced(config.nav, places)
    return config


def _replaced(nav: Any, places: list[Any]) -> Any:
    if isinstance(nav, list):
        return [_replaced(each, places) for each in nav]
    if isinstance(nav, dict):
        return {name: _replaced(each, places) for name, each in nav.items()}
    return places if nav == GENERATED else nav


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages."""
    texts = {
        f"{field_reference.FOLDER}/{one.name}.md": one.markdown for one in field_reference.pages()
    }
    texts["reference/commands.md"] = command_reference.markdown()
    texts["reference/api.md"] = api_reference.markdown()
    for place, content in texts.items():
        files.append(File.generated(config, place, content=content))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Show a link to a file of the repository as its text: the site has no address for it."""
    depth = page.file.src_uri.count("/")
    outside = re.compile(rf"\[([^\]]+)\]\((?:\.\./){{{depth + 1},}}[^)]*\)")
    return outside.sub(r"\1", markdown)
