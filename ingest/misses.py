"""What one night's cut is believed to have left out, as its judge sees the sampled pairs.

Decides that a sampled pair bears on its claim when the judge gives it a directed stance.
The judge's own faults are in the estimate; a page that shows it names the judge.
"""

from collections.abc import Mapping
from typing import Any

from sqlmodel import Session, col, select

from db.models import Evidence, MissEstimate
from ingest.judges import DIRECTED
from ingest.sampling import LAYERS, estimate_miss_rate


def store_miss_estimate(
    session: Session, below_cut: Mapping[str, Any], judge: str, night_id: int
) -> MissEstimate | None:
    """The estimate of one night from what triage sampled (``BelowCut.describe``).

    None when nothing was sampled. Idempotent: a night has one estimate a judge, and
    judging more of its sample brings it up to date.
    """
    layers = [_count_layer(session, below_cut.get(name, {}), judge) for name in LAYERS]
    if not any(sampled for _, sampled, _ in layers):
        return None
    found = estimate_miss_rate(layers)
    stored = session.exec(
        select(MissEstimate).where(MissEstimate.night_id == night_id, MissEstimate.judge == judge)
    ).first()
    row = stored or MissEstimate(
        night_id=night_id, judge=judge, below_cut=0, sampled=0, found=0,
        miss_rate=0, miss_rate_low=0, miss_rate_high=0,
    )  # fmt: skip
    row.below_cut, row.sampled, row.found = found.below_cut, found.sampled, found.found
    row.miss_rate, row.miss_rate_low, row.miss_rate_high = found.rate, found.low, found.high
    session.add(row)
    session.commit()
    return row


def describe_misses(row: MissEstimate) -> str:
    """The estimate as one sentence for a page."""
    return (
        f"the {row.below_cut:,} next-best pairs of a claim and a paper lie below triage's cut; "
        f"of {row.sampled} sampled, {row.found} {'bears' if row.found == 1 else 'bear'} on "
        f"{'its' if row.found == 1 else 'their'} claim by {row.judge}: "
        f"{_format_rate(row)} [{row.miss_rate_low:.1%}, {row.miss_rate_high:.1%}] of all of them, "
        "each layer by its size"
    )


def _format_rate(row: MissEstimate) -> str:
    """Something found is never printed as nothing: a small layer weighs little."""
    return "< 0.1%" if row.found and row.miss_rate < 0.001 else f"{row.miss_rate:.1%}"


def _count_layer(session: Session, layer: Mapping[str, Any], judge: str) -> tuple[int, int, int]:
    """Pairs, judged pairs of the sample, and those that bear on their claim."""
    judged = found = 0
    for revision_id, paper_id in layer.get("sampled", []):
        stances = session.exec(
            select(Evidence.stance).where(
                Evidence.claim_revision_id == revision_id,
                Evidence.paper_id == paper_id,
                col(Evidence.judge) == judge,
            )
        ).all()
        judged += bool(stances)
        found += any(stance in DIRECTED for stance in stances)
    return int(layer.get("pairs", 0)), judged, found
