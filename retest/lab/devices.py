"""Where a run computes, and what makes it repeatable there.

Decides the device and pins the arithmetic: one CPU thread, deterministic kernels, full
float32. On one CPU build the same seed then gives the same bytes.
"""

import torch

from db.errors import UsageError


def open_device(name: str) -> torch.device:
    """The device of this name (``auto``: CUDA where there is one), with arithmetic pinned.

    Raises:
        UsageError: the name is unknown, or CUDA was asked for and is not there.
    """
    if name not in ("auto", "cpu", "cuda"):
        raise UsageError(f"no device {name!r}; use auto, cpu or cuda")
    has_cuda = torch.cuda.is_available()
    if name == "cuda" and not has_cuda:
        raise UsageError("this machine has no usable CUDA device; use --device cpu")
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True, warn_only=True)
    # Filling memory that is written at once costs 2 to 8 % of a step.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.set_float32_matmul_precision("highest")
    return torch.device("cuda" if has_cuda and name != "cpu" else "cpu")
