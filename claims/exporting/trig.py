"""Claims as nanopublications in TriG: what is asserted, where it comes from, who says so.

Each wording of a claim is one nanopublication of four graphs (head, assertion, provenance,
publication info), and supersedes the one before it (nanopub.net's guidelines). Provenance
names an arXiv id only when the store has its paper.
"""

from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from sqlmodel import Session, col, select

from claims.exporting.selection import read_children, select_library
from db.columns import stored_id
from db.errors import ExportRefused, ExtraMissing
from db.models import Anchor, Claim, ClaimRevision, Line, Note, Paper

if TYPE_CHECKING:
    from rdflib import Graph, URIRef

BASE = "urn:reassay:"
NP = "http://www.nanopub.org/nschema#"
NPX = "http://purl.org/nanopub/x/"
PROV = "http://www.w3.org/ns/prov#"
SCHEMA = "https://schema.org/"
DCT = "http://purl.org/dc/terms/"
TERMS = "urn:reassay:terms:"
PREFIXES = {
    "np": NP, "npx": NPX, "prov": PROV, "schema": SCHEMA, "dct": DCT, "reassay": TERMS,
}  # fmt: skip


class _Origin(NamedTuple):
    """What a claim's provenance names."""

    note: Note | None
    arxiv_ids: list[str]


def write_trig(session: Session, line: Line | None = None, base: str = BASE) -> str:
    """Every wording of every claim as TriG text.

    Raises:
        ExtraMissing: rdflib is not installed.
        ExportRefused: ``base`` is no URI.
    """
    try:
        import rdflib  # noqa: F401
    except ImportError as error:
        raise ExtraMissing(
            "--format trig needs rdflib: pip install 'reassay[rdf]' brings it"
        ) from error
    if ":" not in base or quote(base, safe=":/#?=&%~.-_") != base:
        raise ExportRefused(f"{base!r} is no URI: give one such as https://example.org/claims/")
    out = _TrigText()
    chosen = select_library(session, line)
    revisions = read_children(session, ClaimRevision, "claim_id", chosen, chosen.claims)
    notes = {note.id: note for note in chosen.notes}
    ids = _read_ids(session)
    for claim in chosen.claims:
        origin = _Origin(notes.get(claim.note_id), ids.get(claim.note_id, []))
        for revision in sorted(revisions[stored_id(claim.id)], key=lambda row: row.number):
            _add_nanopublication(out, base, claim, revision, origin)
    return "".join(out.pieces)


class _TrigText:
    """Graphs in the order in which they were made: the same library, the same bytes.

    rdflib writes each one as Turtle, which is sorted; its own TriG comes in no fixed order.
    """

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self._prefixes: dict[str, str] = {}  # the line in force, by its first words

    def new_graph(self) -> "Graph":
        from rdflib import Graph
        from rdflib.namespace import XSD

        graph = Graph(bind_namespaces="none")
        for prefix, uri in {**PREFIXES, "xsd": str(XSD)}.items():
            graph.bind(prefix, uri)
        return graph

    def write(self, name: "URIRef", graph: "Graph") -> None:
        head, _, body = graph.serialize(format="turtle").partition("\n\n")
        for row in head.splitlines():
            prefix = row.partition(":")[0]
            if self._prefixes.get(prefix) != row:
                self._prefixes[prefix] = row
                self.pieces.append(f"{row}\n")
        self.pieces.append(f"\n<{name}> {{\n{body.strip()}\n}}\n")


def _add_nanopublication(
    out: _TrigText, base: str, claim: Claim, revision: ClaimRevision, origin: _Origin
) -> None:
    from rdflib import RDF, URIRef

    subject = URIRef(f"{base}claim/{quote(claim.slug, safe='')}")
    this = URIRef(f"{subject}/{revision.number}")
    head, assertion, provenance, info = (
        URIRef(f"{this}#{part}") for part in ("head", "assertion", "provenance", "pubinfo")
    )
    graph = out.new_graph()
    graph.add((this, RDF.type, URIRef(f"{NP}Nanopublication")))
    graph.add((this, URIRef(f"{NP}hasAssertion"), assertion))
    graph.add((this, URIRef(f"{NP}hasProvenance"), provenance))
    graph.add((this, URIRef(f"{NP}hasPublicationInfo"), info))
    out.write(head, graph)
    graph = out.new_graph()
    for predicate, value in _assert(revision).items():
        graph.add((subject, URIRef(predicate), _literal(value)))
    graph.add((subject, RDF.type, URIRef(f"{SCHEMA}Claim")))
    out.write(assertion, graph)
    out.write(provenance, _make_provenance(out.new_graph(), base, assertion, origin, revision))
    out.write(info, _make_info(out.new_graph(), this, claim, revision))


def _make_provenance(
    graph: "Graph", base: str, assertion: "URIRef", origin: _Origin, revision: ClaimRevision
) -> "Graph":
    from rdflib import Literal, URIRef

    if origin.note is not None:
        note = URIRef(f"{base}note/{quote(origin.note.slug, safe='')}")
        word = "wasQuotedFrom" if revision.author == "import" else "wasInfluencedBy"
        graph.add((assertion, URIRef(f"{PROV}{word}"), note))
        graph.add((note, URIRef(f"{DCT}title"), _literal(origin.note.title)))
    for arxiv_id in origin.arxiv_ids:
        source = URIRef(f"https://arxiv.org/abs/{quote(arxiv_id, safe='/')}")
        graph.add((assertion, URIRef(f"{PROV}wasDerivedFrom"), source))
    graph.add((assertion, URIRef(f"{PROV}generatedAtTime"), Literal(revision.created_at)))
    return graph


def _make_info(graph: "Graph", this: "URIRef", claim: Claim, revision: ClaimRevision) -> "Graph":
    from rdflib import Literal, URIRef

    graph.add((this, URIRef(f"{DCT}created"), Literal(revision.created_at)))
    graph.add((this, URIRef(f"{DCT}creator"), _literal(revision.author)))
    graph.add((this, URIRef(f"{DCT}description"), _literal(revision.reason)))
    if revision.number > 1:
        before = URIRef(f"{str(this).rpartition('/')[0]}/{revision.number - 1}")
        graph.add((this, URIRef(f"{NPX}supersedes"), before))
    if claim.retired_at is not None and revision.number == claim.revision_number:
        graph.add((this, URIRef(f"{TERMS}retired"), Literal(claim.retired_at)))
        graph.add((this, URIRef(f"{TERMS}retiredReason"), _literal(claim.retired_reason or "")))
    return graph


def _assert(revision: ClaimRevision) -> dict[str, str]:
    values: dict[str, Any] = {
        f"{SCHEMA}name": revision.statement,
        f"{SCHEMA}text": revision.text,
        f"{TERMS}insight": revision.insight,
        f"{TERMS}limit": revision.limit,
    }
    scope = {f"{TERMS}scope/{quote(key, safe='')}": v for key, v in revision.scope.items()}
    return {key: str(value) for key, value in {**values, **scope}.items() if value is not None}


def _literal(text: str) -> Any:
    """A literal without the control characters that Turtle has no plain place for."""
    from rdflib import Literal

    return Literal("".join(char for char in text if char >= " " or char in "\n\t"))


def _read_ids(session: Session) -> dict[int | None, list[str]]:
    """The arXiv ids of each note whose paper the store has, by note id."""
    rows = session.exec(
        select(Anchor.note_id, Paper.arxiv_id)
        .join(Paper, col(Paper.arxiv_id) == Anchor.arxiv_id)
        .where(col(Anchor.note_id).is_not(None))
        .distinct()
        .order_by(col(Paper.arxiv_id))
    ).all()
    found: dict[int | None, list[str]] = {}
    for note_id, arxiv_id in rows:
        found.setdefault(note_id, []).append(arxiv_id)
    return found
