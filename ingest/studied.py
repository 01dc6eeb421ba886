"""Which models a paper studies, and how old they were: as far as title and abstract tell.

Decides nothing about the claim. A family that the table of releases lacks is named without
a date; a paper that names no model gets an empty record, not a guess.
"""

from datetime import date
from typing import Any

from claims.benchmarks import find_benchmarks, find_families
from claims.model_dates import find_models


def describe_studied(title: str, abstract: str, published: date | None) -> dict[str, Any]:
    """Models (with first release where known), families, benchmarks and the paper's own day.

    ``newest_release`` is the month of the newest dated model that is named.
    """
    text = f"{title}\n{abstract}"
    dated = [model for model in find_models(text) if not published or model.released <= published]
    return {
        "models": {model.name: f"{model.released:%Y-%m}" for model in dated},
        "newest_release": f"{dated[-1].released:%Y-%m}" if dated else None,
        "families": sorted(find_families(text)),
        "benchmarks": sorted(find_benchmarks(text)),
        "published": published.isoformat() if published else None,
    }
