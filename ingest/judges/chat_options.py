"""What a user may set about a language model that judges: where it is, and how much it may cost.

Decides the defaults. Knows no provider and reads no environment.
"""

from dataclasses import dataclass, field

LOCAL_PROVIDERS = ("ollama", "llamacpp", "scripted")
IN_FLIGHT, IN_FLIGHT_LOCAL = 4, 1
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


@dataclass(frozen=True)
class JudgeLimits:
    """What one night may spend; 0 stands for no limit. What is left over waits a night."""

    calls: int = 2000  # requests sent, repeated ones included
    tokens: int = 3_000_000  # read and written
    seconds: float = 3600.0


@dataclass(frozen=True)
class ChatOptions:
    """How a chat model is reached and how long its answers may take."""

    url: str = ""  # base URL of an OpenAI-compatible (or Ollama) server; the provider's if empty
    in_flight: int = 0  # requests at a time; 0: by where the model runs
    timeout_s: float = 120.0  # for one answer
    answer_tokens: int = 0  # of one answer at most; 0: as the provider does
    limits: JudgeLimits = field(default_factory=JudgeLimits)

    def is_local(self, name: str) -> bool:
        """Whether the model runs on this machine, as far as its name and URL tell."""
        host = self.url.partition("//")[2].partition("/")[0].rpartition(":")[0]
        return name.partition(":")[0] in LOCAL_PROVIDERS or host in LOOPBACK

    def width(self, name: str) -> int:
        """Requests at a time for this model."""
        return self.in_flight or (IN_FLIGHT_LOCAL if self.is_local(name) else IN_FLIGHT)
