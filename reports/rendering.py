"""Turns a page's context into Markdown or HTML.

Decides where templates lie and how values are made inert: in HTML by autoescape, in
Markdown by a finalizer that escapes every value that a template prints. A value that is
missing from a context is an error, never an empty place.
"""

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from reports.escaping import escape_markdown, show_invisible

FORMATS = ("md", "html")
INSTALLED = Path(__file__).parent / "_templates"
CHECKOUT = Path(__file__).parents[1] / "templates"


def render(template: str, ending: str, page: Any) -> str:
    """The text of ``templates/<template>.<ending>.j2`` for a page's context."""
    text = _environment(ending).get_template(f"{template}.{ending}.j2").render(page=page)
    return text.rstrip("\n") + "\n"


def find_templates() -> Path:
    """The folder of templates: inside the installed package, else the checkout's."""
    return INSTALLED if INSTALLED.is_dir() else CHECKOUT


@cache
def _environment(ending: str) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(find_templates()),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_finalize_markdown if ending == "md" else _finalize_html,
    )
    environment.filters["capitalize_first"] = _capitalize_first
    return environment


def _capitalize_first(text: str) -> str:
    return text[:1].upper() + text[1:]


def _finalize_markdown(value: Any) -> Any:
    if isinstance(value, Markup):  # from a macro: its parts are escaped already
        return value
    return escape_markdown(_to_text(value))


def _finalize_html(value: Any) -> Any:
    return value if isinstance(value, Markup) else show_invisible(_to_text(value))


def _to_text(value: Any) -> str:
    return "–" if value is None else str(value)
