"""How many candidates a claim gets: the best so many, or as many as a recall asks for.

Decides how a cut is written. What score a recall stands for depends on how papers are
ranked, and stands in ``ingest.ranking``.
"""

from dataclasses import dataclass

from db.errors import UsageError

LEAST_RECALL, MOST_RECALL = 0.5, 0.9  # that were measured
MOST_BY_RECALL = 500  # candidates of one claim, whatever recall is asked for


@dataclass(frozen=True)
class Cut:
    """The best ``number``, of those that a ``recall`` keeps if there is one."""

    number: int = 50
    recall: float | None = None


def read_cut(text: str) -> Cut:
    """``50`` or ``recall:0.9``.

    Raises:
        UsageError: it is neither; the line says what it may be.
    """
    kind, _, value = text.strip().rpartition(":")
    try:
        if kind == "" and int(value) > 0:
            return Cut(int(value))
        if kind == "recall" and LEAST_RECALL <= float(value) <= MOST_RECALL:
            return Cut(MOST_BY_RECALL, float(value))
    except ValueError:
        pass  # said below, as of any other text that is no cut
    raise UsageError(
        f"a cut of {text!r} is not understood: give a number of candidates (50), or a recall "
        f"from {LEAST_RECALL} to {MOST_RECALL} (recall:{MOST_RECALL})"
    )
