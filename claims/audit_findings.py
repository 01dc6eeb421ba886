"""The comparisons of a grounding audit: each finding names what was compared, in both texts.

Decides the kinds that a rule can see. A finding is a question to a person, not a verdict:
``claims.audit`` decides which kinds change the grounding word.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from claims.arxiv_ids import parse_arxiv_id
from claims.leaning import Leaning, LeaningFinding
from claims.likeness import stem_words
from claims.number_checks import (
    describe_qualifier,
    find_missing_numbers,
    find_qualifier_changes,
    pick_missing,
    unit_kind,
)
from claims.quantities import find_quantities
from claims.scope import find_scope_gaps
from claims.sentences import split_sentences
from claims.source_texts import Passage, SourceText, find_closest, rank_passages, score_likeness
from db.models import Anchor, Line

AUTHOR_YEAR = re.compile(r"\b(?P<who>[A-Z][\w'’-]+) et al\.?,?\s*\(?(?P<year>(?:19|20)\d{2})\)?")
QUOTED = re.compile(r"[“\"](?P<what>[^“”\"]{12,}?)[”\"]")
FEWEST_QUOTED_WORDS = 3
LIKE_THE_QUOTE = 0.6  # of a quotation's words in one sentence: the place that it misquotes
SAME_STATEMENT = 0.6  # likeness from which another number in a sentence contradicts the claim's
SHARED_LABEL = 0.5
SHOWN = 48  # letters of a slug or clause inside a message


@dataclass(frozen=True)
class AuditFinding:
    """One thing that a person should look at; kinds are a contract of the command line."""

    kind: str
    message: str
    claim_text: str | None = None
    source_text: str | None = None
    passage: Passage | None = None


def compare_texts(text: str, source: SourceText) -> list[AuditFinding]:
    """A claim's words against its source's: numbers, qualifiers, quotations, scope."""
    gaps = [
        AuditFinding(g.kind, g.message, g.claim_text, g.source_text, g.passage)
        for g in find_scope_gaps(text, source)
    ]
    return [
        *_compare_numbers(text, source),
        *_compare_qualifiers(text, source, "the claim"),
        *_compare_quotations(text, source),
        *gaps,
    ]


def check_leaning(
    leaning: Leaning, source: SourceText, lines: dict[int, Line]
) -> Iterator[AuditFinding]:
    """Findings and essay sentences that lean on a note, against the note's source."""
    for lean in leaning.findings:
        where = f"finding {lean.finding.position + 1} of {_name(lines, lean.finding.line_id)}"
        yield from _compare_qualifiers(lean.clause, source, where)
        yield from _compare_date(lean, source, where)
    for sentence in leaning.sentences:
        where = f"the essay of {_name(lines, sentence.line_id)}"
        words = sentence.sentence.own_words()
        yield from _compare_qualifiers(words, source, where)


def check_named_year(text: str, leaning: Leaning, lines: dict[int, Line]) -> Iterator[AuditFinding]:
    """A note that names its work's year beside findings that date it otherwise."""
    named = AUTHOR_YEAR.search(text)
    if named is None:
        return
    for lean in leaning.findings:
        if not _lies_within(int(named["year"]), lean):
            where = f"finding {lean.finding.position + 1} of {_name(lines, lean.finding.line_id)}"
            yield AuditFinding(
                "date-conflict",
                f"{where} is dated {lean.finding.date_raw}; the note itself names work of "
                f"{named['year']} ({named[0].strip()})",
                lean.clause,
                named[0].strip(),
            )


def check_anchor(anchor: Anchor, source: SourceText | None, today: date) -> Iterator[AuditFinding]:
    """One anchor's id, version and title against the store."""
    name = anchor.arxiv_id or anchor.raw
    found = parse_arxiv_id(anchor.arxiv_id) if anchor.arxiv_id else None
    if found is None:
        yield AuditFinding("id-broken", f"no arXiv id can be {name!r}", anchor.raw)
        return
    if (found.year, found.month) > (today.year, today.month):
        message = f"arXiv:{name} names {found.month_name}, which has not come yet"
        yield AuditFinding("id-broken", message, anchor.raw)
    elif anchor.state == "broken":
        yield AuditFinding("id-broken", f"arXiv has no paper {name}", anchor.raw)
    elif source is None:
        message = f"arXiv:{name} is not in the store, so its text has not been read"
        yield AuditFinding("source-unread", message, anchor.raw)
    if anchor.month_stated and anchor.month_from_id and anchor.month_stated != anchor.month_from_id:
        yield AuditFinding(
            "date-conflict",
            f"the anchor is dated {anchor.month_stated}; its id says {anchor.month_from_id}",
            anchor.raw,
            name,
        )
    if source is not None:
        yield from _check_source(anchor, source)


def _check_source(anchor: Anchor, source: SourceText) -> Iterator[AuditFinding]:
    if source.is_withdrawn:
        yield AuditFinding("withdrawn", f"arXiv:{source.arxiv_id} is marked withdrawn")
    if anchor.label and not _shares_label(anchor.label, source):
        yield AuditFinding(
            "title-differs",
            f"the anchor's label {anchor.label!r} shares few words with the title and abstract "
            f"of arXiv:{source.arxiv_id}: is it the right paper?",
            anchor.label,
            source.title,
        )
    if anchor.version is not None and source.newest_version > anchor.version:
        yield _describe_newer(anchor.version, source)


def _describe_newer(version: int, source: SourceText) -> AuditFinding:
    message = f"the anchor says v{version}; the store has v{source.newest_version}"
    earlier = source.earlier_abstracts.get(version)
    if earlier is None:
        wording = f"; the abstract of v{version} is not in the store, so no comparison"
        return AuditFinding("newer-version", message + wording)
    if earlier == source.abstract:
        return AuditFinding("newer-version", f"{message}; the abstract is the same in both")
    before, after = _first_difference(earlier, source.abstract)
    return AuditFinding(
        "newer-version", f"{message}; the abstract's wording changed", before, after
    )


def _first_difference(earlier: str, later: str) -> tuple[str, str]:
    """The first sentences of two abstracts that are not the same."""
    one, other = split_sentences(earlier), split_sentences(later)
    for first, second in zip(one, other, strict=False):
        if first.text != second.text:
            return first.text, second.text
    longer = one if len(one) > len(other) else other
    last = longer[min(len(one), len(other))].text if len(one) != len(other) else ""
    return (last, "") if longer is one else ("", last)


def _shares_label(label: str, source: SourceText) -> bool:
    wanted = {stem[:5] for stem in stem_words(label)}
    present = {stem[:5] for stem in source.summary_stems}
    return not wanted or len(wanted & present) >= SHARED_LABEL * len(wanted)


def _compare_numbers(text: str, source: SourceText) -> Iterator[AuditFinding]:
    for quantity in pick_missing(find_quantities(text), source.given):
        other = _find_other_number(text, unit_kind(quantity), source)
        if other is not None:
            yield AuditFinding(
                "misquote",
                f"the claim says {quantity.text}; the source's sentence in like words says "
                f"{', '.join(q.text for q in find_quantities(other.text) if q.unit)}",
                quantity.text,
                other.text,
                other,
            )
        else:
            only = "; only the abstract was read" if source.read == "abstract" else ""
            message = f"the {source.read} does not give {quantity.text}{only}"
            yield AuditFinding("number-not-in-source", message, quantity.text)


def _find_other_number(text: str, unit: str, source: SourceText) -> Passage | None:
    """A sentence in like words that gives another number of the same unit."""
    said = _sentence_with_unit(text, unit)
    closest = find_closest(said, source.passages)
    if closest is None or closest[0] < SAME_STATEMENT:
        return None
    passage = closest[1]
    has_unit = any(unit_kind(q) == unit for q in find_quantities(passage.text) if q.unit)
    return passage if has_unit and not _shares_number(said, passage.text) else None


def _sentence_with_unit(text: str, unit: str) -> str:
    for sentence in split_sentences(text):
        if any(unit_kind(q) == unit for q in find_quantities(sentence.text) if q.unit):
            return sentence.text
    return text


def _shares_number(one: str, other: str) -> bool:
    wanted = [q for q in find_quantities(one) if q.unit]
    return len(find_missing_numbers(one, other)) < len(wanted)


def _compare_qualifiers(text: str, source: SourceText, where: str) -> Iterator[AuditFinding]:
    for said, stated in find_qualifier_changes(text, source.numbers):
        yield AuditFinding(
            "qualifier",
            f"{where} says {describe_qualifier(said)!r}; the source says "
            f"{describe_qualifier(stated)!r}",
            said.quantity.text,
            stated.sentence,
            _find_passage(stated.sentence, source),
        )


def _find_passage(sentence: str, source: SourceText) -> Passage | None:
    """The passage that begins as a sentence does: LaTeX marks may have been blanked inside it."""
    head = sentence[:20]
    return next((p for p in source.passages if p.text.startswith(head)), None)


def _compare_quotations(text: str, source: SourceText) -> Iterator[AuditFinding]:
    """Words in quotation marks must stand in the source as they are quoted."""
    read = _plain(source.all_text)
    for match in QUOTED.finditer(text):
        quoted = match["what"].strip(" ,.")
        if len(quoted.split()) < FEWEST_QUOTED_WORDS or _plain(quoted) in read:
            continue
        stems = stem_words(quoted)
        like = [p for p in source.passages if len(stems & p.stems) >= LIKE_THE_QUOTE * len(stems)]
        if like or source.read == "full text":
            nearest = max(like, key=lambda p: score_likeness(stems, p)) if like else None
            message = f"the claim quotes {quoted!r}, which the {source.read} does not say so"
            source_text = nearest.text if nearest else None
            yield AuditFinding("misquote", message, quoted, source_text, nearest)
        else:
            message = f"the claim quotes {quoted!r}; the abstract, all that was read, has it not"
            yield AuditFinding("quote-not-found", message, quoted)


def _plain(text: str) -> str:
    return re.sub(r"\s+", " ", text.replace("’", "'").replace("‘", "'")).casefold()


def _compare_date(lean: LeaningFinding, source: SourceText, where: str) -> Iterator[AuditFinding]:
    found = parse_arxiv_id(source.arxiv_id)
    if found is not None and not _lies_within(found.year, lean):
        yield AuditFinding(
            "date-conflict",
            f"{where} dates {_shorten(lean.clause)!r} {lean.finding.date_raw}; its paper "
            f"arXiv:{source.arxiv_id} is of {found.month_name}",
            lean.clause,
            source.title,
        )


def _lies_within(year: int, lean: LeaningFinding) -> bool:
    """Whether a year lies in a finding's span; an undated finding conflicts with nothing."""
    start, end = lean.finding.found_from, lean.finding.found_to or lean.finding.found_from
    return start is None or end is None or int(start[:4]) <= year <= int(end[:4])


def _name(lines: dict[int, Line], line_id: int) -> str:
    slug = lines[line_id].slug if line_id in lines else f"line {line_id}"
    return _shorten(slug)


def _shorten(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[:SHOWN].rstrip()}…"


def closest_statement(
    statement: str, sources: Sequence[SourceText]
) -> tuple[float, SourceText, Passage] | None:
    """The sentence of any source that is most like a statement; abstracts win ties."""
    scored = [
        (rank, likeness, source, passage)
        for source in sources
        for rank, likeness, passage in rank_passages(statement, source.passages)
    ]
    best = max(scored, key=lambda row: row[0], default=None)
    return best[1:] if best else None


def measure_cover(statement: str, source: SourceText, passage: Passage) -> float:
    """The share of a statement's telling words in title, abstract and the closest sentence."""
    wanted = stem_words(statement)
    return len(wanted & (source.summary_stems | passage.stems)) / len(wanted) if wanted else 0.0
