"""Text embeddings behind LangChain's interface: two that run offline, any other by name.

"minilm" is the encoder that the embedded judge uses; "wordllama" a table of static token
vectors, ten times as fast, which reads a text as a bag of tokens (order is lost). Both come
with packages that we depend on and need no network and no key. Any other name goes to
``langchain.embeddings.init_embeddings``, whose provider package the user installs.
"""

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langchain_core.embeddings import Embeddings

from db.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Matrix = NDArray[np.float32]

WORDLLAMA, MINILM = "wordllama", "minilm"
LONGEST_PIECES = 200  # of a title and abstract that minilm reads: nine abstracts of ten
BATCH = 64


class WordLlamaEmbeddings(Embeddings):
    """Static token vectors, averaged and scaled to unit length (256 numbers a text)."""

    def __init__(self) -> None:
        self._model = load_wordllama()

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """One unit vector a text; an empty text gets zeros."""
        vectors: list[list[float]] = self.embed_matrix(texts).tolist()
        return vectors

    def embed_query(self, text: str) -> list[float]:
        """The unit vector of one text."""
        return self.embed_documents([text])[0]

    def embed_matrix(self, texts: list[str]) -> "Matrix":
        """As ``embed_documents``, float32, shape (texts, 256)."""
        return scale_rows(self._model.embed(texts, norm=False, batch_size=BATCH))


class MiniLmEmbeddings(Embeddings):
    """all-MiniLM-L6-v2, its weights as they come with a package (384 numbers a text)."""

    def __init__(self) -> None:
        from ingest.judges.encoder_weights import PACKAGE, PACKAGE_VERSION, find_encoder
        from ingest.judges.sentence_encoder import SentenceEncoder
        from ingest.judges.weights import load_weights

        path = find_encoder()
        if path is None:
            package = f"{PACKAGE.replace('_', '-')}=={PACKAGE_VERSION}"
            raise UsageError(
                f"embeddings {MINILM!r} need the package {package} unchanged: install it, or "
                f"set REASSAY_EMBEDDINGS={WORDLLAMA}"
            )
        self._encoder = SentenceEncoder(path, load_weights().pieces, LONGEST_PIECES)

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """One unit vector a text."""
        vectors: list[list[float]] = self.embed_matrix(texts).tolist()
        return vectors

    def embed_query(self, text: str) -> list[float]:
        """The unit vector of one text."""
        return self.embed_documents([text])[0]

    def embed_matrix(self, texts: list[str]) -> "Matrix":
        """As ``embed_documents``, float32, shape (texts, 384)."""
        return self._encoder.encode(texts)


def load_embedder(name: str) -> Embeddings:
    """The embedding model of a setting: ``minilm``, ``wordllama`` or ``provider:model``.

    Raises:
        UsageError: the name or its provider package is unknown; the line says what to do.
    """
    if name == WORDLLAMA:
        return WordLlamaEmbeddings()
    if name == MINILM:
        return MiniLmEmbeddings()
    from langchain.embeddings import init_embeddings

    try:
        model = init_embeddings(name)
    except ImportError as error:
        raise UsageError(f"embeddings {name!r} need a package: {_first_line(error)}") from error
    except Exception as error:  # providers raise their own kinds, for a missing key say
        raise UsageError(
            f"embeddings {name!r} cannot be used: {_first_line(error)}; use 'minilm', 'wordllama' "
            "or PROVIDER:MODEL"
        ) from error
    if not isinstance(model, Embeddings):
        raise UsageError(f"embeddings {name!r} are no text embeddings: use PROVIDER:MODEL")
    return model


def embed_matrix(embedder: Embeddings, texts: list[str]) -> "Matrix":
    """Unit rows of any embedding model, float32, shape (texts, dimensions)."""
    import numpy as np

    if isinstance(embedder, WordLlamaEmbeddings | MiniLmEmbeddings):
        return embedder.embed_matrix(texts)
    if not texts:
        return np.zeros((0, 1), dtype=np.float32)
    return scale_rows(np.asarray(embedder.embed_documents(texts), dtype=np.float32))


def scale_rows(matrix: "Matrix") -> "Matrix":
    """Rows scaled to length 1; a row of zeros stays as it is."""
    import numpy as np

    lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
    safe = np.where(lengths > 0, lengths, 1).astype(np.float32)
    return np.asarray(matrix / safe, dtype=np.float32)


def load_wordllama() -> Any:
    """The model from the package's own folder; it never asks the network."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    import wordllama

    root.handlers[:], root.level = handlers, level  # its import configures the root logger
    folder = Path(wordllama.__file__).parent
    return wordllama.WordLlama.load(cache_dir=folder, disable_download=True)


def _first_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
