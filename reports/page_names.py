"""Names of the files that a report writes; stable, so that a link to a page stays good."""

import hashlib
import re

MORNING = "morning"
UNSAFE = re.compile(r"[^a-z0-9-]+")


def name_line_page(slug: str) -> str:
    """``line-<slug>``, without an ending; a slug unfit for a file name gets a hash."""
    safe = UNSAFE.sub("-", slug.lower()).strip("-")
    if safe == slug:
        return f"line-{slug}"
    digest = hashlib.sha256(slug.encode()).hexdigest()[:8]
    return f"line-{safe}-{digest}" if safe else f"line-{digest}"
