"""What each step of a night does, by calling the room that knows how.

A step returns what it did as plain data and, in plain sentences, what it could not check.
It is written so that running it again after a kill repeats nothing that was finished.
"""

from collections.abc import Callable
from datetime import date
from typing import TYPE_CHECKING, Any

from sqlmodel import Session, col, select

from db.engine import open_session
from db.models import Binding, NightStep
from reassay.night.context import NightContext, StepResult

if TYPE_CHECKING:
    from ingest.citations import CitationSummary
    from ingest.text_fetching import TextSummary


def harvest_papers(context: NightContext) -> StepResult:
    """Step 1: what arXiv (or the snapshot) has that the store has not."""
    from ingest.daily_announcements import open_daily_feed
    from ingest.harvest import harvest
    from ingest.oai_polling import open_changes

    summary = harvest(
        context.engine,
        context.settings,
        changes=open_changes(context.settings),
        feed=open_daily_feed(context.settings),
        night_id=context.night_id,
        today=context.today,
        report_progress=context.report_progress,
    )
    cited = _ask_citations(context)
    through = summary.searched_through
    return StepResult(
        detail={
            "citations": {"asked": cited.asked, "works": cited.works, "new": cited.new},
            "windows": summary.windows,
            "seen": summary.seen,
            "new": summary.new,
            "revised": summary.revised,
            "withdrawn": summary.withdrawn,
            "source": summary.source,
            "searched_through": through.isoformat() if through else None,
        },
        not_checked=(*summary.unanswered, *cited.unanswered),
        notes=(*summary.not_asked, *cited.not_asked),
    )


def _ask_citations(context: NightContext) -> "CitationSummary":
    """Who cites the anchors: only when a setting names an index to ask."""
    from ingest.citations import (
        CitationSummary,
        open_citation_source,
        read_source_names,
        refresh_citations,
    )

    names = read_source_names(context.settings.citations)
    if not names:
        return CitationSummary()
    return refresh_citations(
        context.engine,
        [open_citation_source(name, context.settings) for name in names],
        night_id=context.night_id,
        report_progress=context.report_progress,
    )


def rank_papers(context: NightContext) -> StepResult:
    """Step 2: the papers that may bear on each claim."""
    from ingest.cut import read_cut
    from ingest.embeddings import load_embedder
    from ingest.triage import triage

    with open_session(context.engine) as session:
        summary = triage(
            session,
            embedder=load_embedder(context.settings.embeddings),
            night_id=context.night_id,
            cut=read_cut(context.settings.triage_cut),
            samples=context.settings.triage_samples,
            report_progress=context.report_progress,
        )
    texts = _fetch_texts(context)
    return StepResult(
        not_checked=tuple(texts.unanswered),
        detail={
            "full_texts": {
                "asked": texts.asked,
                "stored": texts.stored,
                "without_html": texts.without_html,
            },
            "claims": summary.claims,
            "ranked": summary.ranked,
            "candidates": summary.candidates,
            "new_candidates": summary.new_candidates,
            "ranker": summary.ranker,
            "new_claims": summary.new_claims,
            "new_papers": summary.new_papers,
            "below_cut": summary.below_cut,
        },
    )


def _fetch_texts(context: NightContext) -> "TextSummary":
    """Full texts of the best candidates: none unless a setting says how many."""
    from ingest.text_fetching import TextSummary, fetch_candidate_texts, open_pages

    most = context.settings.full_texts
    if not most:
        return TextSummary()
    return fetch_candidate_texts(
        context.engine,
        open_pages(context.settings),
        most,
        night_id=context.night_id,
        report_progress=context.report_progress,
    )


def judge_papers(context: NightContext) -> StepResult:
    """Step 3: a proposed stance, or "unclear", for each candidate; then what people decided."""
    from ingest.commands.judging_setup import load_set_judge
    from ingest.judges import EMBEDDED
    from ingest.judging import describe_unjudged, judge_candidates
    from reassay.night.settling import settle_proposals

    judge = load_set_judge(context.settings)
    with open_session(context.engine) as session:
        summary = judge_candidates(
            session,
            judge,
            night_id=context.night_id,
            floor=context.settings.judge_floor,
            report_progress=context.report_progress,
        )
        settled = settle_proposals(
            session,
            judge,
            is_offline=context.settings.judge == EMBEDDED,
            auto_confirm=context.settings.auto_confirm,
            since=context.night.started_at,
            today=context.today,
        )
        missed = _estimate_misses(session, context, judge.name)
    return StepResult(
        detail={
            "judged": summary.judged,
            "proposed": summary.proposed,
            "unclear": summary.unclear,
            "refused_quotes": summary.refused_quotes,
            "judge": summary.judge,
            "quality": judge.quality,
            "postponed": summary.postponed,
            "calls": summary.calls,
            "tokens": summary.input_tokens + summary.output_tokens,
            "recalled": summary.recalled,
            **settled.detail,
        },
        not_checked=describe_unjudged(summary),
        notes=(*settled.notes, *missed),
    )


def _estimate_misses(session: Session, context: NightContext, judge: str) -> tuple[str, ...]:
    """What the judge sees in the sample from below triage's cut, as a sentence."""
    from ingest.misses import describe_misses, store_miss_estimate

    below = _read_step_detail(session, context, "triage").get("below_cut", {})
    row = store_miss_estimate(session, below, judge, context.night_id)
    return (describe_misses(row),) if row is not None else ()


def retest_claims(context: NightContext) -> StepResult:
    """Step 4: fresh seeds where the budget buys most, canaries first."""
    from dataclasses import asdict

    from retest.batch import BatchPlan, run_batch
    from retest.bindings import bind_experiments

    with open_session(context.engine) as session:
        bind_experiments(session)
        names = sorted(set(session.exec(select(Binding.experiment)).all()))
    if not names:
        return StepResult(notes=("no experiment bears on a claim of this library",))
    plan = BatchPlan(
        profile=context.night.profile,
        budget_s=context.night.budget_s,
        jobs=None,
        device=context.settings.device,
        night_id=context.night_id,
        executor=context.settings.executor,
        may_rest=True,
    )
    summary = run_batch(context.settings.database_url, names, plan, context.report_progress)
    return StepResult(
        detail={
            "experiments": {row.experiment: asdict(row) for row in summary.experiments},
            "budget": {"given_s": summary.budget_s, "spent_s": summary.duration_s},
        },
        not_checked=tuple(summary.not_checked),
    )


def conclude_claims(context: NightContext) -> StepResult:
    """Step 5: the three fields, the headline, and a verdict row for each claim that changed."""
    from reassay.night.conclude import conclude_library

    with open_session(context.engine) as session:
        return conclude_library(
            session, context.night, _searched_through(session, context), context.today
        )


def write_pages(context: NightContext) -> StepResult:
    """Step 6: the morning page and the line pages; written also when the night is incomplete."""
    from reports.writing import publish_latest, write_report

    folder = context.settings.home / "reports"
    out = folder / f"night-{context.night_id:04d}"
    with open_session(context.engine) as session:
        pages = write_report(
            session,
            night_id=context.night_id,
            out=out,
            formats=("md", "html"),
            line=None,
            today=context.today,
        )
    publish_latest(out, folder / "latest")
    return StepResult(detail={"pages": [str(page) for page in pages]})


STEPS: dict[str, Callable[[NightContext], StepResult]] = {
    "harvest": harvest_papers,
    "triage": rank_papers,
    "judge": judge_papers,
    "re-test": retest_claims,
    "conclude": conclude_claims,
    "report": write_pages,
}


def _searched_through(session: Session, context: NightContext) -> tuple[date | None, str]:
    """Up to which day the store is complete, and from which source: as harvest recorded it."""
    detail = _read_step_detail(session, context, "harvest")
    through = detail.get("searched_through")
    return (date.fromisoformat(through) if through else None, str(detail.get("source", "arXiv")))


def _read_step_detail(session: Session, context: NightContext, name: str) -> dict[str, Any]:
    """What an earlier step of this night wrote down; empty when it has not ended."""
    step = session.exec(
        select(NightStep).where(NightStep.night_id == context.night_id, col(NightStep.name) == name)
    ).first()
    return step.detail if step else {}
