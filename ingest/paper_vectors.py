"""Embeddings of papers, kept in the store at one byte a dimension.

Decides what text of a paper is embedded and when a stored vector is out of date (the paper
has another text since). One byte a dimension loses less than a thousandth of a cosine.
Knows nothing of claims.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from langchain_core.embeddings import Embeddings
from numpy.typing import NDArray
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, col, select

from db.columns import stored_id
from db.engine import is_sqlite
from db.models import Paper, PaperVector
from ingest.embeddings import embed_matrix

STEPS = 127  # of a signed byte
SMALLEST = 1e-20  # a vector of nothing, by any model
AT_ONCE = 500  # papers a query and a transaction: 2,500 values, below every database's bound
Matrix = NDArray[np.float32]


class VectorShelf:
    """Unit vectors of papers by one embedding model; what is missing is embedded and stored."""

    def __init__(self, embedder: Embeddings, model: str) -> None:
        self._embedder = embedder
        self._model = model
        self.embedded = 0  # papers that had no vector yet

    def fetch(self, session: Session, paper_ids: Sequence[int]) -> Matrix:
        """Rows in the order of the ids, shape (papers, dimensions). Commits what it embeds."""
        found: dict[int, Matrix] = {}
        for start in range(0, len(paper_ids), AT_ONCE):
            chunk = paper_ids[start : start + AT_ONCE]
            found |= self._read(session, chunk)
            missing = [paper_id for paper_id in chunk if paper_id not in found]
            if missing:
                found |= self._embed(session, missing)
        return np.stack([found[paper_id] for paper_id in paper_ids])

    def _read(self, session: Session, paper_ids: Sequence[int]) -> dict[int, Matrix]:
        """Stored vectors of the texts that are in force."""
        query = (
            select(PaperVector.paper_id, PaperVector.scale, PaperVector.vector)
            .join(Paper, col(Paper.id) == PaperVector.paper_id)
            .where(
                col(PaperVector.paper_id).in_(paper_ids),
                PaperVector.model == self._model,
                col(PaperVector.paper_version_id) == col(Paper.version_id),
            )
        )
        return {
            paper_id: unpack_vector(scale, packed)
            for paper_id, scale, packed in session.exec(query)
        }

    def _embed(self, session: Session, paper_ids: Sequence[int]) -> dict[int, Matrix]:
        query = select(Paper).where(col(Paper.id).in_(paper_ids)).order_by(col(Paper.id))
        papers = session.exec(query).all()
        texts = [f"{paper.title} {paper.abstract}" for paper in papers]
        session.commit()  # embedding takes time: no transaction is held open meanwhile
        vectors = embed_matrix(self._embedder, texts)
        self.embedded += len(texts)
        packed = [pack_vector(vector) for vector in vectors]
        rows: list[dict[str, Any]] = [
            {
                "paper_id": stored_id(paper.id),
                "model": self._model,
                "paper_version_id": paper.version_id or 0,
                "scale": scale,
                "vector": data,
            }
            for paper, (scale, data) in zip(papers, packed, strict=True)
        ]
        _store(session, rows)
        # As it will be read again, so that a second run scores alike.
        return {row["paper_id"]: unpack_vector(row["scale"], row["vector"]) for row in rows}


def _store(session: Session, rows: list[dict[str, Any]]) -> None:
    """Insert or replace: another process may embed the same papers."""
    dialect = sqlite if is_sqlite(session.get_bind()) else postgresql
    statement = dialect.insert(PaperVector).values(rows)
    fresh = {name: statement.excluded[name] for name in ("paper_version_id", "scale", "vector")}
    keys = ["paper_id", "model"]
    session.connection().execute(statement.on_conflict_do_update(index_elements=keys, set_=fresh))
    session.commit()


def pack_vector(vector: Matrix) -> tuple[float, bytes]:
    """A scale and one signed byte a dimension."""
    largest = float(np.abs(vector).max())
    scale = largest / STEPS if largest > SMALLEST else 1.0
    return scale, np.rint(vector / scale).astype(np.int8).tobytes()


def unpack_vector(scale: float, packed: bytes) -> Matrix:
    """The vector, float32, within half a step of what was packed."""
    return np.frombuffer(packed, dtype=np.int8).astype(np.float32) * np.float32(scale)
