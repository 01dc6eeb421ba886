"""How an audit is printed: claim and source side by side, or as one JSON document.

``reassay claims audit`` itself lives beside the sources of papers, since with ``--online``
it asks arXiv.
"""

import textwrap
from collections.abc import Sequence

from claims.audit import ClaimAudit, LineAudit
from claims.audit_findings import AuditFinding
from claims.commands.output import print_json, print_message

WIDTH = 100
SAID_BY_THE_WORD = {"hub"}
SHOWN_TEXT = 160  # letters of a quoted sentence


def print_audit(claims: Sequence[ClaimAudit], lines: Sequence[LineAudit], as_json: bool) -> None:
    """All claims, then what a line holds that no claim owns."""
    if as_json:
        print_json([*(a.record() for a in claims), *(a.record() for a in lines)])
        return
    for claim in claims:
        _print_claim(claim)
    for line in lines:
        for finding in line.findings:
            _print_wrapped(f"line  {finding.kind:<12} ", f"{finding.message}  ({line.line.slug})")
    if not claims:
        print_message("no claims; 'reassay import FILE' brings some in")
        return
    print_message(_summarise(claims, lines))


def _print_claim(audit: ClaimAudit) -> None:
    head = f"{audit.claim.handle:<5} {audit.grounding:<12} "
    _print_wrapped(head, audit.claim.statement)
    indent = " " * len(head)
    if audit.source is not None and audit.passage is not None:
        version = audit.source.version_of(audit.passage)
        place = f"arXiv:{audit.source.arxiv_id}v{version} {audit.source.read}"
        section = "" if audit.passage.section == "abstract" else f", {audit.passage.section}"
        where = f"[{place}{section}, offset {audit.passage.start}]"
        _print_wrapped(indent, f"“{_shorten(audit.passage.text)}”  {where}")
    for finding in audit.findings:
        if finding.kind not in SAID_BY_THE_WORD:
            _print_finding(indent, finding)


def _print_finding(indent: str, finding: AuditFinding) -> None:
    _print_wrapped(f"{indent}{finding.kind}: ", finding.message, indent + "  ")
    if finding.claim_text and finding.source_text and finding.kind == "qualifier":
        _print_wrapped(f"{indent}  source: ", f"“{_shorten(finding.source_text)}”", indent + "  ")


def _print_wrapped(head: str, text: str, indent: str | None = None) -> None:
    later = " " * len(head) if indent is None else indent
    print(textwrap.fill(text, WIDTH, initial_indent=head, subsequent_indent=later))


def _shorten(text: str) -> str:
    return text if len(text) <= SHOWN_TEXT else f"{text[:SHOWN_TEXT].rstrip()} …"


def _summarise(claims: Sequence[ClaimAudit], lines: Sequence[LineAudit]) -> str:
    words: dict[str, int] = {}
    for audit in claims:
        words[audit.grounding] = words.get(audit.grounding, 0) + 1
    counted = ", ".join(f"{count} {word}" for word, count in words.items())
    abstracts = sum(1 for a in claims if a.source is not None and a.source.read == "abstract")
    findings = sum(len(a.findings) for a in claims) + sum(len(a.findings) for a in lines)
    return (
        f"{len(claims)} claims: {counted}; {findings} findings; "
        f"{abstracts} sources known by their abstract only"
    )
