"""Documents that the tests write themselves, in the grammar of a line of inquiry."""

from collections.abc import Sequence

NOTES = (
    (
        "Can heat replace practice?",
        "Ada et al. (2023) found that heat trades off against practice.",
    ),
    ("How should decks be chosen?", "Choosing decks one by one works better than a fixed deck."),
    ("Does order matter more than heat?", "Ordered decks give up to 42% more sorted cards."),
)
FINDINGS = (
    "Heat can replace practice, it trades off on short decks (2025).",
    "Sorters plateau at 55–60% after a change of deck; *no* heat helps (2026).",
)
ANCHORS = (
    "arXiv:2505.13379 (May 2025) — Ordered decks",
    "arXiv:2603.23004 (Mar 2026) — Cold kettles",
)


def write_line(
    question: str = "Does a warmer kettle make a better sorter?",
    notes: Sequence[tuple[str, str]] = NOTES,
    findings: Sequence[str] = FINDINGS,
    anchors: Sequence[str] = ANCHORS,
    declared: int | None = None,
    bullet: str = "•",
    gap: str = "\n\n",
) -> str:
    """A whole line document as text."""
    sources = gap.join(f"{title}{gap}{summary}" for title, summary in notes)
    cited = " ".join(title for title, _ in notes)
    listed = "\n".join(f"{bullet} {finding}" for finding in findings)
    ids = "\n".join(f"{bullet} {anchor}" for anchor in anchors)
    count = len(notes) if declared is None else declared
    return gap.join(
        (
            "INQUIRING LINE",
            question,
            "This explores whether heat stands in for practice.",
            f"The corpus says it can {cited}.",
            f"Sources {count} notes",
            sources,
            "Research prompt for your LLMexpand ↓",
            "You are a research analyst re-testing claims about kettles. "
            "The question: *Q* remains open.",
            "What a curated library found — and when (dated claims, not current truth):",
            f"These findings span 2024–2026:\n{listed}",
            f"Anchor papers (verify; mind their dates):\n{ids}",
            "Your task:\n(1) **RE-TEST EACH.** Has it *moved*?\n"
            "(2) **Surface contradictions.** Any?",
            "Cite arXiv IDs; flag anything ungrounded.",
        )
    )
