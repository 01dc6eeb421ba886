"""A library after a night, as the night writes it: filled by hand, for tests of reports."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlmodel import Session, col, select

from claims.importing import import_text
from claims.reading import current_revision
from db.columns import stored_id
from db.models import (
    Anchor,
    Binding,
    Candidate,
    Claim,
    Evidence,
    HarvestWindow,
    Line,
    Night,
    NightStep,
    Paper,
    PaperVersion,
    Verdict,
)
from tests.documents import write_line

TODAY = date(2026, 11, 24)
STARTED = datetime(2026, 11, 24, 2, 30, tzinfo=UTC)
ANCHOR, NEWER = "2505.13379", "2606.29971"
UNKNOWN = "2603.23004"  # the document names it; the store has it not
ABSTRACT = "We sort warm decks. Ordered decks give up to 42% more sorted cards. No kettle was hurt."
SENTENCE = "Ordered decks give up to 42% more sorted cards."
NEWER_ABSTRACT = (
    "Prior work was divided. We show that practice cannot be replaced by heat. So it goes."
)
NEWER_SENTENCE = "We show that practice cannot be replaced by heat."
HARVEST = {
    "windows": 2,
    "seen": 1912,
    "new": 37,
    "revised": 5,
    "withdrawn": 1,
    "source": "api",
    "searched_through": "2026-11-23",
}
STEPS: dict[str, dict[str, Any]] = {
    "harvest": HARVEST,
    "triage": {"claims": 3, "ranked": 111, "candidates": 9},
    "judge": {"judged": 9, "proposed": 1, "unclear": 8, "refused_quotes": 2, "judge": "embedded-1"},
    "re-test": {
        "experiments": {
            "c04": {
                "seeds_run": 8,
                "failed": 0,
                "censored": 1,
                "canary_ok": True,
                "outcome": "UNDECIDED",
                "skipped": None,
            }
        }
    },
    "conclude": {"claims": 3, "changed": 0},
}
LOCAL: dict[str, Any] = {
    "experiments": [
        {
            "experiment": "c04",
            "title": "Do larger sorters sort more?",
            "outcome": "UNDECIDED",
            "latched": False,
            "strength": "none",
            "profile": "nightly",
            "scale": "two sorters of 0.2M and 0.8M parameters",
            "cannot_show": "what a sorter of a thousand decks does",
            "transfer": "analogue",
            "n": 136,
            "unit": "seed",
            "alpha": 0.05,
            "run_set": "c04 v1 nightly, seeds 0-135",
            "estimands": [
                {
                    "name": "slope",
                    "meaning": "sorted cards per doubling of parameters",
                    "unit": "cards per doubling",
                    "n": 136,
                    "mean": -0.004,
                    "low": -0.019,
                    "high": 0.012,
                    "region": [-0.01, 0.01],
                    "margin": 0.005,
                    "outcome": "UNDECIDED",
                    "e_consistent": 3.2,
                    "e_shifted": 0.4,
                    "seeds_to_go": 90,
                }
            ],
            "controls": {
                "solver": {
                    "passed": 136,
                    "failed": 0,
                    "minimum": 0.99,
                    "maximum": None,
                    "worst": 1.0,
                }
            },
            "canary": {"ok": True, "difference": None},
            "censored": 1,
            "notes": [],
        }
    ]
}


def add_line(session: Session, text: str | None = None) -> Line:
    """One imported line; three tasks, three notes."""
    document = text or write_line().replace(
        "How should decks be chosen?", "Can decks be chosen one by one?"
    ).replace(
        "(2) **Surface contradictions.** Any?",
        "(2) **Surface contradictions.** Any?\n(3) **Propose questions.** Which?",
    )
    slug = import_text(session, document, "test").line
    return session.exec(select(Line).where(Line.slug == slug)).one()


def add_paper(
    session: Session,
    arxiv_id: str,
    abstract: str,
    *,
    title: str = "Ordered decks of cards",
    is_withdrawn: bool = False,
    authors: tuple[str, ...] = ("Ada",),
    published: date = date(2026, 6, 29),
) -> Paper:
    """One stored paper with its version."""
    paper = Paper(
        arxiv_id=arxiv_id,
        title=title,
        abstract=abstract,
        authors=list(authors),
        published=published,
        is_withdrawn=is_withdrawn,
        source="api",
    )
    session.add(paper)
    session.flush()
    version = PaperVersion(
        paper_id=stored_id(paper.id),
        version=1,
        text_hash=arxiv_id,
        title=title,
        abstract=abstract,
        source="api",
    )
    session.add(version)
    session.flush()
    paper.version_id = version.id
    session.add(paper)
    session.commit()
    return paper


def add_night(
    session: Session,
    *,
    not_checked: dict[str, list[str]] | None = None,
    status: str | None = None,
    details: dict[str, dict[str, Any]] | None = None,
    days: int = 0,
    left_out: tuple[str, ...] = (),
) -> Night:
    """A night with its five steps; ``not_checked`` makes it incomplete."""
    gaps = not_checked or {}
    started = STARTED + timedelta(days=days)
    settled = status or ("incomplete" if gaps else "complete")
    night = Night(profile="nightly", budget_s=600.0, status=settled, started_at=started)
    session.add(night)
    session.flush()
    for name, detail in ({**STEPS, **(details or {})}).items():
        if name in left_out:
            continue
        session.add(
            NightStep(
                night_id=stored_id(night.id),
                name=name,
                status="incomplete" if gaps.get(name) else "finished",
                not_checked=gaps.get(name, []),
                detail=detail,
            )
        )
    session.commit()
    return night


def add_window(session: Session, night: Night, **values: Any) -> None:
    """One harvest window of a night."""
    fields: dict[str, Any] = {
        "source": "api",
        "purpose": "recent",
        "query": "cat:cs.CL",
        "seen": 1912,
        "new": 37,
        "revised": 5,
        "is_complete": True,
    }
    session.add(HarvestWindow(night_id=night.id, **(fields | values)))
    session.commit()


def find_span(text: str, sentence: str) -> tuple[int, int]:
    start = text.index(sentence)
    return start, start + len(sentence)


def add_verdict(
    session: Session, claim: Claim, night: Night | None = None, **values: Any
) -> Verdict:
    """A verdict row; unanchored, silent and without experiment unless told otherwise."""
    fields: dict[str, Any] = {
        "headline": "UNGROUNDED",
        "grounding": "unanchored",
        "grounding_detail": {"reason": "no paper is tied to its note", "read": None},
        "literature": "silent",
        "literature_detail": {
            "searched_papers": 2431,
            "searched_through": "2026-11-23",
            "source": "api",
            "candidates": 37,
            "confirmed": {"supports": 0, "contradicts": 0, "relaxes": 0},
            "proposed": {},
            "confirmed_ids": [],
        },
        "local": "none",
        "moved_by": ["grounding: no paper is tied to its note"],
        "searched_through": date(2026, 11, 23),
        "decided_at": STARTED,
    }
    verdict = Verdict(
        claim_id=stored_id(claim.id),
        claim_revision_id=stored_id(current_revision(session, claim).id),
        night_id=night.id if night else None,
        **(fields | values),
    )
    session.add(verdict)
    session.commit()
    return verdict


def grounded_in(paper: Paper, sentence: str) -> dict[str, Any]:
    """The fields of a verdict whose grounding quotes a sentence of a paper."""
    start, end = find_span(paper.abstract, sentence)
    return {
        "headline": "UNCHALLENGED",
        "grounding": "grounded",
        "grounding_detail": {
            "reason": "the closest sentence of its abstract says so in like words",
            "read": "abstract",
            "arxiv_id": paper.arxiv_id,
            "title": paper.title,
            "section": "abstract",
            "quote": sentence,
            "start": start,
            "end": end,
            "likeness": 0.8,
            "numbers_missing": [],
        },
    }


def add_stance(
    session: Session, claim: Claim, paper: Paper, stance: str, sentence: str, **values: Any
) -> Evidence:
    """A stance row of a claim's current wording, quoting a sentence of the abstract."""
    start, end = find_span(paper.abstract, sentence)
    fields: dict[str, Any] = {
        "confidence": 0.8,
        "quote": sentence,
        "quote_start": start,
        "quote_end": end,
        "section": "abstract",
        "judge": "embedded-1",
    }
    row = Evidence(
        claim_id=stored_id(claim.id),
        claim_revision_id=stored_id(current_revision(session, claim).id),
        paper_id=stored_id(paper.id),
        paper_version_id=paper.version_id or 0,
        stance=stance,
        **(fields | values),
    )
    session.add(row)
    session.commit()
    return row


def add_candidate(session: Session, claim: Claim, paper: Paper, score: float = 1.0) -> None:
    session.add(
        Candidate(
            claim_id=stored_id(claim.id),
            claim_revision_id=stored_id(current_revision(session, claim).id),
            paper_id=stored_id(paper.id),
            ranker="lexical-1",
            rank=1,
            score=score,
            lexical_score=score,
        )
    )
    session.commit()


def read_claims(session: Session) -> list[Claim]:
    return list(session.exec(select(Claim).order_by(col(Claim.id))).all())


def fill_library(session: Session) -> Line:
    """A line of three claims after two nights: one claim moved, one experiment ran."""
    line = add_line(session)
    one, two, three = read_claims(session)
    anchor = add_paper(session, ANCHOR, ABSTRACT, published=date(2025, 5, 19))
    newer = add_paper(session, NEWER, NEWER_ABSTRACT, title="Practice stays", authors=("Bob",))
    for row in session.exec(select(Anchor).where(Anchor.arxiv_id == ANCHOR)).all():
        row.note_id, row.state = three.note_id, "quoted"
        session.add(row)
    first = add_night(session)
    add_verdict(session, one, first)
    add_verdict(session, two, first, local="undecided", local_detail=LOCAL, transfer="analogue")
    add_verdict(session, three, first, **grounded_in(anchor, SENTENCE))
    session.add(
        Binding(claim_id=two.id, experiment="c04", transfer="analogue", bound_by="a person")
    )
    add_stance(session, one, newer, "contradicts", NEWER_SENTENCE)
    add_candidate(session, one, newer)
    add_candidate(session, three, newer, score=0.4)
    second = add_night(session, days=1)
    add_window(session, second)
    add_verdict(
        session, one, second, look=True, moved_by=[f"proposed: arXiv:{NEWER} (contradicts)"]
    )
    return line
