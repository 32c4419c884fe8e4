"""The report as one HTML page that needs nothing else, and as Markdown."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path

import jinja2
from markupsafe import Markup

from recipes.AntiDeepfake.reporting.cells import Table, escape, to_markdown
from recipes.AntiDeepfake.reporting.content import Details, Section
from recipes.AntiDeepfake.reporting.svg import Picture

__all__ = ["html_page", "markdown_page"]

_TEMPLATES = Path(__file__).with_name("templates")


def html_page(title: str, subtitle: str, sections: Sequence[Section]) -> str:
    """Write the page.

    Its policy for contents allows no address but `data:`, and no script but its own.

    Arguments
    ---------
    title, subtitle : str
        Of the page, as text.
    sections : list of Section
        What it says. Text in it is text: it is escaped here.

    Returns
    -------
    str
        HTML.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["kind"] = _kind
    script = (_TEMPLATES / "page.js").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return environment.get_template("page.html").render(
        title=title,
        subtitle=subtitle,
        grouped=[(section, _grouped(section)) for section in sections],
        style=Markup((_TEMPLATES / "page.css").read_text("utf-8")),
        script=Markup(script),
        script_digest=digest,
        safe=Markup,
    )


def _kind(item: object) -> str:
    """What the template calls a piece of content."""
    kinds = {Table: "table", Picture: "picture", Details: "details", list: "pictures"}
    return kinds.get(type(item), "heading")


def _grouped(section: Section) -> list:
    """The content, with pictures that follow one another in one list."""
    grouped: list = []
    for item in section.content:
        if isinstance(item, Picture):
            if not (grouped and isinstance(grouped[-1], list)):
                grouped.append([])
            grouped[-1].append(item)
        else:
            grouped.append(item)
    return grouped


def markdown_page(title: str, subtitle: str, sections: Sequence[Section]) -> str:
    """Write the tables, with what is said of them, as Markdown.

    Arguments
    ---------
    title, subtitle : str
        Of the page.
    sections : list of Section
        What it says; sections of pictures only are left out.

    Returns
    -------
    str
    """
    parts = [f"# {escape(title)}", escape(subtitle)]
    for section in sections:
        tables = [one for one in section.content if isinstance(one, Table | Details)]
        if not tables:
            continue
        parts += [f"## {escape(section.title)}", *map(escape, section.texts)]
        if section.warnings:
            parts.append("\n".join(f"- {escape(text)}" for text in section.warnings))
        for item in section.content:
            if isinstance(item, str):
                parts.append(f"### {escape(item)}")
            elif isinstance(item, Details):
                parts.append(to_markdown(item.table))
            elif isinstance(item, Table):
                parts.append(to_markdown(item))
                if item.caption:
                    parts.append(escape(item.caption))
    return "\n\n".join(parts) + "\n"
