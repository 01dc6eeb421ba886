"""Numbers of a claim against the numbers of its source, with their qualifiers.

"up to 42%" and "42%" are different claims. A qualifier also governs the numbers joined to
its own by "and" or a comma ("up to 2.1% higher accuracy and 42% greater throughput").
Decides when two numbers are the same; does not know what either of them measures.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from claims.quantities import Quantity, find_quantities
from claims.sentences import split_sentences

SAME_VALUE = 1e-9
Given = set[tuple[float, str]]  # values with the kind of their unit
DIGIT = re.compile(r"\d")
LISTED = re.compile(  # 2.7%/4.3%, 125M/350M, 23\%: forms of abstracts and of LaTeX
    r"(?<![\w.])(\d+(?:\.\d+)?)\s*(%|[KMBT](?!\w))?(?:/(\d+(?:\.\d+)?)\s*(%|[KMBT](?!\w)))+"
)
LATEX_PERCENT = re.compile(r"\\%\$?")
JOINED = re.compile(r"^[^.;:!?\d]{0,60}(?:\band\b|\bor\b|,|\bto\b)\s*$")
CLASSES = {
    "about": ("~", "≈", "about", "around", "roughly", "nearly", "almost", "approximately"),
    "up to": ("up to", "at most", "≤", "<", "under", "less than", "fewer than"),
    "at least": ("at least", "≥", ">", "over", "more than", "+"),
}
CLASS_OF = {word: name for name, words in CLASSES.items() for word in words}


@dataclass(frozen=True)
class QualifiedNumber:
    """A quantity and the class of the qualifier in force over it: about, up to, at least, none."""

    quantity: Quantity
    qualifier: str | None
    sentence: str


def read_numbers(text: str) -> list[QualifiedNumber]:
    """The quantities of a text, each with the qualifier that governs it; offsets are exact."""
    clean = _blank_latex(text)
    numbers = []
    for sentence in split_sentences(clean):
        if DIGIT.search(sentence.text) is None:
            continue
        last: Quantity | None = None
        in_force: str | None = None
        for quantity in find_quantities(sentence.text):
            own = _class_of(quantity)
            between = sentence.text[last.end : quantity.start] if last else ""
            in_force = own or (in_force if last and JOINED.match(between) else None)
            numbers.append(QualifiedNumber(quantity, in_force, sentence.text))
            last = quantity
    return numbers


def find_missing_numbers(claim_text: str, source_text: str) -> list[Quantity]:
    """Quantities with a unit that the source gives nowhere, in order; years and ratios aside.

    A range is given where both of its ends are.
    """
    return pick_missing(find_quantities(claim_text), given_values(source_text))


def pick_missing(wanted: Sequence[Quantity], given: Given) -> list[Quantity]:
    """As ``find_missing_numbers``, for texts that were read before."""
    return [q for q in wanted if q.unit and not _is_given(q, given)]


def gives_any(wanted: Sequence[Quantity], given: Given) -> bool:
    """Whether one of the quantities with a unit is given."""
    return bool(given) and any(q.unit and _is_given(q, given) for q in wanted)


def find_qualifier_changes(
    claim_text: str, stated: Sequence[QualifiedNumber]
) -> list[tuple[QualifiedNumber, QualifiedNumber]]:
    """Numbers that claim and source both give, under different qualifiers all over the source.

    ``stated`` is the source's text as ``read_numbers`` reads it.
    """
    changes = []
    for said in read_numbers(claim_text):
        same = [number for number in stated if is_same_value(said.quantity, number.quantity)]
        if said.quantity.unit and same and all(n.qualifier != said.qualifier for n in same):
            changes.append((said, same[0]))
    return changes


def is_same_value(one: Quantity, other: Quantity) -> bool:
    """Whether two quantities have the same bounds and kind of unit."""
    return (
        abs(one.low - other.low) < SAME_VALUE
        and abs(one.high - other.high) < SAME_VALUE
        and unit_kind(one) == unit_kind(other)
    )


def unit_kind(quantity: Quantity) -> str:
    """A unit with its spellings made one: x, × and times; % and percent."""
    unit = (quantity.unit or "").lower()
    if unit in {"x", "×", "times", "fold"}:
        return "x"
    return "%" if unit == "percent" else unit.removesuffix(" parameters")


def describe_qualifier(number: QualifiedNumber) -> str:
    """The number with the qualifier in force, as a reader would say it."""
    bare = number.quantity.text.strip()
    if number.quantity.qualifier and number.quantity.qualifier != "+":
        bare = bare.removeprefix(number.quantity.qualifier).strip()
    return f"{number.qualifier} {bare}" if number.qualifier else bare


def _class_of(quantity: Quantity) -> str | None:
    return CLASS_OF.get((quantity.qualifier or "").lower())


def given_values(text: str) -> Given:
    """The values that a text gives, each with the kind of its unit."""
    if DIGIT.search(text) is None:
        return set()
    clean = _blank_latex(text)
    given = {
        (round(value, 9), unit_kind(quantity))
        for quantity in find_quantities(clean)
        for value in (quantity.low, quantity.high)
    }
    for match in LISTED.finditer(clean):
        given |= _listed_values(match[0])
    return given


def _is_given(quantity: Quantity, given: Given) -> bool:
    kind = unit_kind(quantity)
    return all((round(value, 9), kind) in given for value in (quantity.low, quantity.high))


def _listed_values(listed: str) -> set[tuple[float, str]]:
    parts: Sequence[str] = listed.split("/")
    last_unit = re.sub(r"[\d.\s]", "", parts[-1])
    return {
        (
            round(float(re.sub(r"[^\d.]", "", part)), 9),
            (re.sub(r"[\d.\s]", "", part) or last_unit).lower(),
        )
        for part in parts
    }


def _blank_latex(text: str) -> str:
    r"""``$23\%$`` as ``23%``; lengths are kept, so that offsets are."""
    text = LATEX_PERCENT.sub(lambda m: "%" + " " * (len(m[0]) - 1), text)
    return re.sub(r"\$(?=[\d.]+%)", " ", text)
