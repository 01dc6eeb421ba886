"""Applies a person's word on a stance row, with every quote checked.

Decides which words a row's state allows, and that no directed stance counts without an
exact span of a stored text. What the judge proposed is never altered: where a person reads
it otherwise, a row of the person's own counts in its place. Callers hold
``edit_transaction``, and conclude the claims that the outcome names.
"""

from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from sqlmodel import Session

from claims.decision_journal import (
    SETTING,
    WORDS,
    read_made,
    read_standing,
    record_decision,
    set_status,
    take_row,
)
from claims.edit_journal import Signature, take_live_claim
from claims.queries import find_claim
from claims.queue_items import stand_quote
from claims.reading import current_revision
from claims.waiting import DIRECTED
from db.columns import stored_id
from db.errors import DecisionRefused, UsageError
from db.models import Claim, ClaimRevision, Decision, Evidence, Note, Paper, PaperVersion
from ingest.judges import STANCES
from ingest.quotes import LocatedQuote, locate_quote, quote_numbers

T = TypeVar("T")


@dataclass(frozen=True)
class Wish:
    """What a person says of a row; lists are in the order given on the command line."""

    word: str
    stances: tuple[str, ...] = ()
    claims: tuple[str, ...] = ()
    quotes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """What a decision came to; ``is_new`` is False when the same word stood already."""

    decision: Decision
    row: Evidence
    made: list[Evidence]
    is_new: bool
    notes: tuple[str, ...] = ()

    @property
    def claim_ids(self) -> list[int]:
        """The claims whose literature the decision touches."""
        return sorted({self.row.claim_id, *(row.claim_id for row in self.made)})


class _Part(NamedTuple):
    """One thing that a row says: of which claim, as what, and where it stands."""

    claim: Claim
    stance: str
    version: PaperVersion
    quote: LocatedQuote | None


def apply_decision(session: Session, evidence_id: int, wish: Wish, signature: Signature) -> Outcome:
    """Decide on a row; the same word twice changes nothing.

    Raises:
        UsageError: the wish contradicts itself.
        DecisionRefused: the row's state does not allow it; the line says what to do.
        EditRefused: the claim is retired.
    """
    _check_wish(wish, signature)
    row = take_row(session, evidence_id)
    if row.split_from_id is not None:
        raise DecisionRefused(
            f"row {row.id} was made by a decision on row {row.split_from_id}: "
            f"'reassay undo {row.split_from_id}' takes that back first"
        )
    standing = next(iter(read_standing(session, row)), None)
    if standing is not None and standing.author != SETTING:
        if _is_same(session, row, standing, wish):
            return Outcome(standing, row, read_made(session, row), is_new=False)
        raise DecisionRefused(
            f"row {row.id} was decided by {standing.author} on {standing.decided_at:%F} "
            f"({standing.word}: {standing.reason}): 'reassay undo {row.id}' takes that back first"
        )
    claim = take_live_claim(session, row.claim_id)
    _refuse_old_wording(session, row, claim)
    parts = [] if wish.word == "reject" else _plan(session, row, claim, wish)
    others = [part.claim.id for part in parts if part.claim.id != claim.id]
    decision = record_decision(
        session,
        row,
        wish.word,
        signature,
        stance=wish.stances[0] if len(wish.stances) == 1 else None,
        other_claim_id=others[0] if others else None,
    )
    made = [] if _is_in_place(row, wish, parts) else _make_rows(session, row, decision, parts)
    set_status(session, row, decision)
    return Outcome(decision, row, made, is_new=True, notes=_note(session, row))


def _check_wish(wish: Wish, signature: Signature) -> None:
    if wish.word not in WORDS:
        raise UsageError(f"{wish.word!r} is no decision; there are {', '.join(WORDS)}")
    if signature.author.strip() == SETTING:
        raise UsageError(f"{SETTING!r} signs what a setting confirmed: give another --author")
    for stance in wish.stances:
        if stance not in STANCES or stance == "unclear":
            known = ", ".join(name for name in STANCES if name != "unclear")
            raise UsageError(f"--stance {stance!r} is unknown; there are {known}")
    most = 1 if wish.word != "split" else max(len(wish.stances), len(wish.claims))
    if wish.word == "split" and most < 2:
        raise UsageError("split needs --stance twice, or --claim twice, or both")
    if any(len(given) not in (0, 1, most) for given in (wish.stances, wish.claims, wish.quotes)):
        raise UsageError(f"{wish.word} takes each of --stance, --claim, --quote at most {most}×")
    if wish.word in ("confirm", "reject") and wish.claims:
        raise UsageError(f"{wish.word} takes no --claim: say right-stance-wrong-claim or split")
    if wish.word == "right-stance-wrong-claim" and not wish.claims:
        raise UsageError("right-stance-wrong-claim needs --claim: which claim is it about?")
    if wish.word == "reject":
        _check_reject(wish)


def _check_reject(wish: Wish) -> None:
    if wish.quotes:
        raise UsageError("reject takes no --quote: nothing of the row will count")
    if wish.stances and wish.stances[0] in DIRECTED:
        raise UsageError(f"if it {wish.stances[0]}, say confirm --stance {wish.stances[0]}")


def _is_same(session: Session, row: Evidence, standing: Decision, wish: Wish) -> bool:
    """Whether a wish says what stands; other reasons and other authors do not matter."""
    if standing.word != wish.word:
        return False
    if wish.word == "reject":
        return standing.stance == (wish.stances[0] if wish.stances else None)
    claim = session.get_one(Claim, row.claim_id)
    parts = _plan(session, row, claim, wish)
    if _is_in_place(row, wish, parts):
        return row.status == "confirmed"
    made = {(r.claim_id, r.stance, r.quote) for r in read_made(session, row)}
    return made == {(p.claim.id, p.stance, p.quote.text if p.quote else None) for p in parts}


def _refuse_old_wording(session: Session, row: Evidence, claim: Claim) -> None:
    judged = session.get_one(ClaimRevision, row.claim_revision_id).number
    if judged != claim.revision_number:
        raise DecisionRefused(
            f"{claim.handle} was reworded since: row {row.id} judged revision {judged}, the "
            f"wording is now revision {claim.revision_number}; 'reassay ingest triage --claim "
            f"{claim.handle}' and 'reassay ingest judge --claim {claim.handle}' judge it anew"
        )


def _plan(session: Session, row: Evidence, claim: Claim, wish: Wish) -> list[_Part]:
    """What is to count in the row's place, each part with its checked quote."""
    count = max(len(wish.stances), len(wish.claims), 1)
    stances = _spread(wish.stances or (row.stance,), count)
    quotes = _spread(wish.quotes or (None,), count)
    names = _spread(wish.claims or (None,), count)
    claims = [_take_other(session, name) if name else claim for name in names]
    if wish.word == "right-stance-wrong-claim" and claims[0].id == claim.id:
        raise DecisionRefused(f"row {row.id} is about {claim.handle} already: name another claim")
    parts = [
        _Part(on, stance, *_find_quote(session, row, stance, quote))
        for on, stance, quote in zip(claims, stances, quotes, strict=True)
    ]
    if len({(part.claim.id, part.stance) for part in parts}) < len(parts):
        raise UsageError("the parts of a split must differ in stance or in claim")
    return parts


def _spread(given: tuple[T, ...], count: int) -> tuple[T, ...]:
    return given * count if len(given) == 1 else given


def _take_other(session: Session, name: str) -> Claim:
    claim = take_live_claim(session, stored_id(find_claim(session, name).id))
    note = session.get(Note, claim.note_id) if claim.note_id else None
    if note is not None and note.kind == "hub":
        raise DecisionRefused(f"{claim.handle} is a hub: a topic page, which makes no claim")
    return claim


def _find_quote(
    session: Session, row: Evidence, stance: str, given: str | None
) -> tuple[PaperVersion, LocatedQuote | None]:
    """The text version and the exact span in it that a part rests on."""
    judged = session.get_one(PaperVersion, row.paper_version_id)
    if given is not None:
        return _locate(session, row, judged, given)
    shown = stand_quote(row, judged)
    if stance == "unclear":
        raise DecisionRefused(
            f"row {row.id} is unclear: say what it is with --stance supports, relaxes or "
            "contradicts, and --quote TEXT"
        )
    if shown is None and stance in DIRECTED:
        raise DecisionRefused(
            f"row {row.id} has no exact quote, and no quote means no stance: give the sentence "
            "with --quote TEXT"
        )
    if shown is None or row.section not in ("title", "abstract"):
        return judged, None
    return judged, LocatedQuote(
        "title" if row.section == "title" else "abstract", shown.text, shown.start, shown.end
    )


def _locate(
    session: Session, row: Evidence, judged: PaperVersion, given: str
) -> tuple[PaperVersion, LocatedQuote]:
    paper = session.get_one(Paper, row.paper_id)
    newest = session.get(PaperVersion, paper.version_id) if paper.version_id else None
    for version in dict.fromkeys([judged.id, newest.id if newest else judged.id]):
        text = session.get_one(PaperVersion, version)
        found = locate_quote(text.title, text.abstract, given)
        if found is not None:
            return text, found
    raise DecisionRefused(
        f"the quote is no exact span of three words or more of arXiv:{paper.arxiv_id} "
        f"(title or abstract): copy it from 'reassay papers show {paper.arxiv_id}'"
    )


def _is_in_place(row: Evidence, wish: Wish, parts: list[_Part]) -> bool:
    """Whether the judge's own row is what counts, or (rejected) nothing is to be made."""
    if wish.word == "reject":
        return True
    if wish.word != "confirm":
        return False
    [part] = parts
    is_own_quote = part.quote is None or part.quote.text == row.quote
    return part.stance == row.stance and is_own_quote


def _make_rows(
    session: Session, row: Evidence, decision: Decision, parts: list[_Part]
) -> list[Evidence]:
    """Rows of the person's own; they carry no probability, since no judge gave one."""
    made = []
    for number, part in enumerate(parts, start=1):
        place = f", part {number}" if len(parts) > 1 else ""
        quote = part.quote
        made.append(
            Evidence(
                claim_id=stored_id(part.claim.id),
                claim_revision_id=stored_id(current_revision(session, part.claim).id),
                paper_id=row.paper_id,
                paper_version_id=stored_id(part.version.id),
                stance=part.stance,
                status="confirmed",
                confirmed_by="person",
                quote=quote.text if quote else None,
                quote_start=quote.start if quote else None,
                quote_end=quote.end if quote else None,
                section=quote.section if quote else None,
                numbers=quote_numbers(quote.text, quote.start) if quote else [],
                scope=row.scope if part.claim.id == row.claim_id else {},
                studied=row.studied,
                independence_key=row.independence_key,
                judge=f"{decision.author} (decision {decision.id}{place})",
                split_from_id=row.id,
            )
        )
    session.add_all(made)
    session.flush()
    return made


def _note(session: Session, row: Evidence) -> tuple[str, ...]:
    """What a person should know who decided on a text that is not the newest."""
    paper = session.get_one(Paper, row.paper_id)
    notes = []
    if paper.version_id is not None and paper.version_id != row.paper_version_id:
        judged = session.get_one(PaperVersion, row.paper_version_id)
        newest = session.get_one(PaperVersion, paper.version_id)
        still = not row.quote or row.quote in f"{newest.title}\n{newest.abstract}"
        notes.append(
            f"arXiv:{paper.arxiv_id} has a newer text (version {newest.version}, the row judged "
            f"version {judged.version}); {'the quote stands in it too' if still else ''}"
            f"{'' if still else 'the quote no longer stands in it'}"
        )
    if paper.is_withdrawn:
        notes.append(f"arXiv:{paper.arxiv_id} is withdrawn: it does not count")
    return tuple(notes)
