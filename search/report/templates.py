"""The templates of all reports, and what a template embeds."""

from __future__ import annotations

import re
from typing import Any

import plotly.graph_objects as go
from jinja2 import Environment, PackageLoader, StrictUndefined
from plotly.offline import get_plotlyjs

from ..results.sentences import format_share


def environment() -> Environment:
    """The templates; what comes from a study is escaped in HTML."""
    templates = Environment(
        loader=PackageLoader(__package__, "files"),
        autoescape=lambda name: bool(name and name.endswith(".html")),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    templates.filters |= {"one_line": one_line, "share": format_share}
    return templates


# As entities: a backslash before one of them could itself be part of the text.
_MARKDOWN = {"&": "&amp;", "|": "&#124;", "`": "&#96;", "](": "]&#40;"}


_TAG = re.compile(r"<(?=[A-Za-z/!?])")  # a comparison such as `x < 1` is none


def one_line(value: object) -> str:
    """Text for Markdown: no HTML, link, code or end of a table's cell, and no new block."""
    text = " ".join(str(value).split())
    for special, entity in _MARKDOWN.items():
        text = text.replace(special, entity)
    return _TAG.sub("&lt;", text)


def assets(templates: Environment) -> dict[str, str]:
    """Style sheet and scripts, to be put into the page."""
    return {
        "css": templates.get_template("report.css").render(),
        "js": templates.get_template("report.js").render(),
        "plotly": get_plotlyjs(),
    }


def embedded(figure: go.Figure) -> dict[str, Any]:
    """A figure's JSON and its height in pixels."""
    # In a label, "</script>" would end the element that holds the JSON, "<!--<script>" extend it.
    return {"json": figure.to_json().replace("<", "\\u003c"), "height": figure.layout.height}
