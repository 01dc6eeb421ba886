"""Settings: ``reassay.toml`` in the home or the working directory, then the environment,
then flags. Unknown keys are refused. No other room reads the environment.
"""

import re
import tomllib
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from db.errors import UsageError

ARXIV_DELAY_S = 3.0  # arXiv's terms of use: one request every three seconds
CITATION_INDEXES = ("openalex", "semantic-scholar")
LOOPBACK = {"127.0.0.1", "localhost", "::1"}
PREFIX = "REASSAY_"
DEFAULT_HOME = Path("var")
URLS = (
    *("arxiv_api_url", "arxiv_oai_url", "arxiv_feed_url", "arxiv_html_url"),
    *("openalex_url", "semantic_scholar_url", "judge_url"),
)


class Settings(BaseSettings):
    """Everything that a user can set; each key is also ``REASSAY_<KEY>`` in the environment."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True)

    home: Path = Field(DEFAULT_HOME, description="Directory of the database and the reports.")
    database_url: str = Field("", description="SQLAlchemy URL; SQLite in the home if empty.")
    arxiv_api_url: str = Field("https://export.arxiv.org/api/query", description="Query API.")
    arxiv_oai_url: str = Field("https://oaipmh.arxiv.org/oai", description="OAI-PMH.")
    arxiv_feed_url: str = Field("https://rss.arxiv.org/rss", description="Daily feeds.")
    arxiv_source: Literal["api", "oai"] = Field("api", description="Of a night's recent papers.")
    arxiv_delay_s: float = Field(ARXIV_DELAY_S, ge=0, description="Pause between requests.")
    arxiv_contact: str = Field("", description="Mail address or URL for the user agent.")
    arxiv_html_url: str = Field("https://arxiv.org/html", description="HTML of papers.")
    full_texts: int = Field(0, ge=0, le=200, description="Full texts fetched a night.")
    citations: str = Field("", description="Citation indexes to ask, with commas; none if empty.")
    openalex_url: str = Field("https://api.openalex.org", description="OpenAlex.")
    openalex_key: str = Field("", repr=False, description="Key for OpenAlex, if you have one.")
    semantic_scholar_url: str = Field(
        "https://api.semanticscholar.org/graph/v1", description="Semantic Scholar's graph."
    )
    semantic_scholar_key: str = Field("", repr=False, description="Key for it, if you have one.")
    snapshot: Path | None = Field(None, description="arXiv metadata, one JSON object a line.")
    judge: str = Field("embedded", description="'embedded' or a LangChain model name.")
    judge_floor: Literal["hint", "leans", "likely"] = Field(
        "leans", description="What a judge must have proved to be before it proposes."
    )
    judge_url: str = Field("", description="Base URL of the server that a chat judge runs on.")
    judge_max_calls: int = Field(2000, ge=0, description="Requests to a chat judge a night.")
    judge_max_tokens: int = Field(3_000_000, ge=0, description="Tokens of a chat judge a night.")
    judge_max_s: float = Field(3600.0, ge=0, description="Seconds of a chat judge a run.")
    judge_timeout_s: float = Field(120.0, gt=0, description="Seconds for one answer.")
    judge_answer_tokens: int = Field(0, ge=0, description="Tokens of one answer; 0: no limit.")
    judge_in_flight: int = Field(0, ge=0, le=64, description="Requests at a time; 0 chooses.")
    chat_subject: str = Field("", description="LangChain model for LLM-level re-tests.")
    embeddings: str = Field("minilm", description="'minilm', 'wordllama' or a LangChain name.")
    triage_cut: str = Field("50", description="Candidates a claim: a number, or 'recall:0.9'.")
    triage_samples: int = Field(
        20, ge=0, le=1000, description="Pairs below the cut that are judged too, a night."
    )
    auto_confirm: float | None = Field(
        None, ge=0.5, lt=1, description="Precision at which proposals are confirmed; off if none."
    )
    executor: Literal["local", "ray"] = Field("local", description="Where seeds run.")
    device: str = Field("auto", description="auto, cpu or cuda.")

    @field_validator("snapshot", "auto_confirm", mode="before")
    @classmethod
    def _empty_is_none(cls, value: Any) -> Any:
        return None if value == "" else value

    @field_validator(*URLS)
    @classmethod
    def _is_web_address(cls, value: str) -> str:
        address = urlsplit(value)
        if value and (address.scheme not in ("http", "https") or not address.hostname):
            raise ValueError(f"{value!r} is no address: write it like https://host/path")
        return value

    @field_validator("device")
    @classmethod
    def _known_device(cls, value: str) -> str:
        if value not in ("auto", "cpu") and not re.fullmatch(r"cuda(:\d+)?", value):
            raise ValueError(f"{value!r} is no device: write auto, cpu or cuda")
        return value

    @field_validator("citations")
    @classmethod
    def _known_indexes(cls, value: str) -> str:
        unknown = {name.strip() for name in value.split(",")} - {"", *CITATION_INDEXES}
        if unknown:
            raise ValueError(f"no index {min(unknown)!r}: known are {', '.join(CITATION_INDEXES)}")
        return value

    @field_validator("triage_cut")
    @classmethod
    def _known_cut(cls, value: str) -> str:
        from ingest.cut import read_cut

        try:
            read_cut(value)
        except UsageError as error:
            raise ValueError(str(error)) from error
        return value

    @model_validator(mode="after")
    def _complete(self) -> "Settings":
        if self.arxiv_delay_s < ARXIV_DELAY_S and not all(
            urlsplit(url).hostname in LOOPBACK for url in (self.arxiv_api_url, self.arxiv_oai_url)
        ):
            raise ValueError(
                "arxiv_delay_s below 3 is only accepted when both arXiv URLs are loopback "
                "addresses (arXiv allows one request every 3 seconds)"
            )
        if not self.database_url:
            url = f"sqlite:///{(self.home / 'reassay.db').absolute()}"
            object.__setattr__(self, "database_url", url)
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Files come in through ``read_settings``, below the environment."""
        return init_settings, env_settings


def read_settings(environment: dict[str, str], flags: dict[str, Any]) -> Settings:
    """Settings from files, environment and flags, later ones winning.

    Raises:
        UsageError: a key is unknown or a value is not allowed.
    """
    _refuse_unknown_variables(environment)
    home = Path(flags.get("home") or environment.get(PREFIX + "HOME") or DEFAULT_HOME)
    values: dict[str, Any] = {}
    for file in (home / "reassay.toml", Path("reassay.toml")):
        values.update(_read_toml(file))
    in_environment = {
        key.removeprefix(PREFIX).lower(): value
        for key, value in environment.items()
        if key.startswith(PREFIX)
    }
    values.update({k: v for k, v in in_environment.items() if k in Settings.model_fields})
    values.update({key: value for key, value in flags.items() if value is not None})
    try:
        return Settings(**values)
    except ValidationError as error:
        raise UsageError(_explain(error)) from error


def _refuse_unknown_variables(environment: dict[str, str]) -> None:
    known = {PREFIX + name.upper() for name in Settings.model_fields} | {PREFIX + "TEST_DATA"}
    unknown = sorted(k for k in environment if k.startswith(PREFIX) and k not in known)
    if unknown:
        raise UsageError(_name_unknown(unknown[0], known))


def _name_unknown(name: str, known: Iterable[str]) -> str:
    """The one setting that was probably meant, else all; what all begin with is no likeness."""
    by_key = {setting.removeprefix(PREFIX): setting for setting in known}
    alike = get_close_matches(name.removeprefix(PREFIX), by_key, n=1)
    told = f"did you mean {by_key[alike[0]]}?" if alike else f"known: {', '.join(sorted(known))}"
    return f"unknown setting {name}; {told}"


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"cannot read {file}: {error}") from error


def _explain(error: ValidationError) -> str:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return _name_unknown(key, Settings.model_fields)
    message = first["msg"].removeprefix("Value error, ")
    return f"setting {key}: {message}" if key else message
