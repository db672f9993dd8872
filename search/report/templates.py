"""The templates of all reports, and what a template embeds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import plotly.graph_objects as go
from jinja2 import Environment, PackageLoader, StrictUndefined
from plotly.offline import get_plotlyjs


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


def one_line(value: object) -> str:
    """Text that neither ends a cell of a Markdown table nor starts a new block."""
    return " ".join(str(value).split()).replace("|", "\\|")


def format_share(share: Mapping[str, Any] | None) -> str:
    """A share with its interval in percent."""
    if share is None:
        return "-"
    return f"{share['mean']:.0%} ({share['low']:.0%} to {share['high']:.0%})"


def assets(templates: Environment) -> dict[str, str]:
    """Style sheet and scripts, to be put into the page."""
    return {
        "css": templates.get_template("report.css").render(),
        "js": templates.get_template("report.js").render(),
        "plotly": get_plotlyjs(),
    }


def embedded(figure: go.Figure) -> dict[str, Any]:
    """A figure's JSON and its height in pixels."""
    # "</script>" in a label would end the element that holds the JSON.
    return {"json": figure.to_json().replace("</", "<\\/"), "height": figure.layout.height}
