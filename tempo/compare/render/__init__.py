"""A comparison as text: for a terminal, Markdown, CSV, JSON and LaTeX."""

from tempo.compare.render.csv_text import csv
from tempo.compare.render.json_text import json
from tempo.compare.render.latex import latex
from tempo.compare.render.markdown import markdown
from tempo.compare.render.terminal import terminal

__all__ = ["csv", "json", "latex", "markdown", "terminal"]
