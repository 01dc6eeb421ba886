"""``reassay papers show``: one paper, its versions, and what in the library leans on it."""

from typing import Annotated, Any

import typer
from sqlmodel import Session, col, select

from claims.arxiv_ids import parse_arxiv_id
from claims.commands.output import JsonOption, print_json
from claims.commands.setup import open_library
from db.errors import PaperNotFound
from db.models import Anchor, Claim, Line, Mention, Paper, PaperVersion


def show_paper(
    context: typer.Context,
    paper: Annotated[str, typer.Argument(metavar="ID", help="An arXiv id or URL.")],
    as_json: JsonOption = False,
) -> None:
    """Show one stored paper: text, versions, and the claims and anchors that refer to it.

    With a version (2502.05171v1) the text of that version is shown.
    Example: reassay papers show arXiv:2502.05171
    """
    with open_library(context) as session:
        found = describe_paper(session, paper)
    if as_json:
        print_json(found)
    else:
        print("\n".join(_format(found)))


def describe_paper(session: Session, text: str) -> dict[str, Any]:
    """A paper as a document.

    Raises:
        PaperNotFound: the text is no arXiv id, or the store has not that paper or version.
    """
    wanted = parse_arxiv_id(text)
    if wanted is None:
        raise PaperNotFound(f"{text!r} is not an arXiv id: write it like 2502.05171")
    paper = session.exec(select(Paper).where(Paper.arxiv_id == wanted.id)).first()
    if paper is None:
        raise PaperNotFound(
            f"the store has no paper {wanted.id}: 'reassay papers load FILE' or "
            "'reassay ingest poll' brings papers in"
        )
    query = select(PaperVersion).where(PaperVersion.paper_id == paper.id)
    versions = list(session.exec(query.order_by(col(PaperVersion.version), col(PaperVersion.id))))
    shown = _choose_version(paper, versions, wanted.version)
    return {
        **paper.model_dump(exclude={"id", "version_id", "title", "abstract"}),
        "title": shown.title if shown else paper.title,
        "abstract": shown.abstract if shown else paper.abstract,
        "shown_version": shown.version if shown else paper.version,
        "versions": [
            {
                "version": row.version,
                "source": row.source,
                "seen_at": row.seen_at,
                "text_hash": row.text_hash,
                "in_force": row.id == paper.version_id,
            }
            for row in versions
        ],
        **_find_references(session, wanted.id),
    }


def _choose_version(
    paper: Paper, versions: list[PaperVersion], number: int | None
) -> PaperVersion | None:
    if number is None:
        return next((row for row in versions if row.id == paper.version_id), None)
    of_number = [row for row in versions if row.version == number]
    if not of_number:
        stored = ", ".join(f"v{n}" for n in sorted({row.version for row in versions}))
        raise PaperNotFound(f"the store has {paper.arxiv_id} as {stored or 'no text'} only")
    return of_number[-1]


def _find_references(session: Session, arxiv_id: str) -> dict[str, Any]:
    query = select(Anchor, Line.slug).join(Line).where(Anchor.arxiv_id == arxiv_id)
    anchors = session.exec(query.order_by(col(Anchor.id))).all()
    notes = {anchor.note_id for anchor, _ in anchors if anchor.note_id is not None}
    claims = select(Claim).where(col(Claim.note_id).in_(notes)).order_by(col(Claim.id))
    mentions = select(Mention.line_id).where(Mention.arxiv_id == arxiv_id)
    return {
        "anchors": [
            {"line": slug, "label": anchor.label, "state": anchor.state, "version": anchor.version}
            for anchor, slug in anchors
        ],
        "claims": [
            {"id": claim.handle, "slug": claim.slug, "statement": claim.statement}
            for claim in session.exec(claims)
        ],
        "mentions": len(session.exec(mentions).all()),
    }


def _mark(found: dict[str, Any]) -> str:
    if not found["is_withdrawn"]:
        return ""
    seen = found["withdrawn_seen_at"]
    return f"  WITHDRAWN (first seen {seen:%F})" if seen else "  WITHDRAWN"


def _format(found: dict[str, Any]) -> list[str]:
    withdrawn = _mark(found)
    lines = [
        f"arXiv:{found['arxiv_id']}v{found['shown_version']}{withdrawn}",
        found["title"],
        ", ".join(found["authors"]),
        ", ".join(found["categories"]),
        f"submitted {found['published'] or '–'}  listed {found['listed'] or '–'}  "
        f"updated {found['updated'] or '–'}  first seen from {found['source']}",
        *([f"comment  {found['comment']}"] if found["comment"] else []),
        "",
        found["abstract"],
        "",
    ]
    for row in found["versions"]:
        mark = "  (in force)" if row["in_force"] else ""
        lines.append(f"v{row['version']}  {row['source']}  {row['seen_at']:%Y-%m-%d}{mark}")
    lines += [f"{c['id']}  {c['statement']}" for c in found["claims"]]
    lines += [f"anchor of {a['line']}: {a['label']}  ({a['state']})" for a in found["anchors"]]
    return lines
