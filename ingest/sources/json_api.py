"""One JSON object from a public index.

Decides what each status means: 404 is an answer (the index has no such thing), a refusal
ends the asking, and what is not a JSON object is tried again. Knows nothing of its contents.
"""

import json
from typing import Any

from db.errors import QuestionRefused, SourceUnavailable
from ingest.sources.exchange import Answer, RequestLimits
from ingest.sources.patience import SINGLE_PAGES, Patience
from ingest.sources.politeness import RequestPacer
from ingest.sources.xml_guard import Unreadable

LIMITS = RequestLimits(read_s=20.0, request_s=30.0, question_s=120.0, body_bytes=8 * 2**20)
REFUSALS = {401, 402, 403}


class JsonApi:
    """A server that answers in JSON objects."""

    def __init__(
        self,
        pacer: RequestPacer,
        headers: dict[str, str],
        *,
        key_setting: str,
        limits: RequestLimits = LIMITS,
    ) -> None:
        self._server = Patience(
            {"Accept": "application/json", **headers}, pacer, limits, manner=SINGLE_PAGES
        )
        self._key_setting = key_setting

    @property
    def stopped_because(self) -> str | None:
        """Why asking on is of no use at present; None while it is."""
        return self._server.stopped_because

    def begin(self) -> None:
        """A new question: see ``Patience.begin``."""
        self._server.begin()

    def get(self, url: str) -> dict[str, Any] | None:
        """The document at a URL; None when the server says that there is none.

        Raises:
            SourceUnavailable: no such document came within the limits.
            QuestionRefused: the server finds fault with the question itself.
        """
        return self._server.fetch(url, self._read)

    def _read(self, answer: Answer) -> dict[str, Any] | None:
        if answer.status == 404:
            return None
        if answer.status in REFUSALS:
            raise self._server.stop(
                f"it refuses us (HTTP {answer.status}): check {self._key_setting}"
            )
        if answer.status == 400:
            raise QuestionRefused("it refused the question (HTTP 400)")
        if answer.status != 200:
            raise SourceUnavailable(f"it answered HTTP {answer.status}: check its URL setting")
        try:
            document = json.loads(answer.body)
        except (ValueError, RecursionError) as error:
            raise Unreadable("what is not JSON") from error
        if not isinstance(document, dict):
            raise Unreadable("what is not a JSON object")
        return document
