"""Where a seed ran: a fingerprint, the class that a stream belongs to, and what changed."""

import os
import platform
import sys
from pathlib import Path
from typing import Any


def read_fingerprint(device: str) -> dict[str, Any]:
    """Everything that may change a result's bytes: python, torch, BLAS, CPU or GPU, threads."""
    import numpy
    import torch

    fingerprint: dict[str, Any] = {
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "numpy": numpy.__version__,
        "blas": _name_blas(torch.__config__.show()),
        "cpu": _name_cpu(),
        "cpu_instructions": torch.backends.cpu.get_cpu_capability(),  # AVX2, AVX512, ...
        "threads": torch.get_num_threads(),
        "device": device,
        "system": platform.platform(),
    }
    if device.startswith("cuda"):
        fingerprint["gpu"] = torch.cuda.get_device_name()
        fingerprint["cuda"] = str(torch.version.cuda)
        fingerprint["driver"] = _read_driver()
    return fingerprint


def name_class(fingerprint: dict[str, Any]) -> str:
    """The class whose results may be pooled: device, threads, minor versions, processor."""
    torch_minor = ".".join(fingerprint["torch"].split("+")[0].split(".")[:2])
    python_minor = ".".join(fingerprint["python"].split(".")[:2])
    where = fingerprint.get("gpu") or f"{fingerprint['threads']} thread, {fingerprint['cpu']}"
    return f"{fingerprint['device']}, {where}, torch {torch_minor}, python {python_minor}"


def describe_difference(before: dict[str, Any], after: dict[str, Any]) -> str:
    """What differs between two fingerprints, in words; says so when nothing does."""
    changed = [
        f"{key} {before.get(key)} -> {after.get(key)}"
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key)
    ]
    return "; ".join(changed) or "nothing in the fingerprint changed"


def _name_cpu() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return " ".join(line.split(":", 1)[1].split())
    return platform.processor() or platform.machine()


def _read_driver() -> str:
    """The version of the NVIDIA kernel driver, where the system tells."""
    info = Path("/proc/driver/nvidia/version")
    if info.exists():
        for word in info.read_text(errors="replace").split():
            if word[0].isdigit() and word.count(".") in (1, 2):
                return word
    return "unknown"


def _name_blas(config: str) -> str:
    known = [name for name in ("mkl", "openblas", "accelerate") if name in config.lower()]
    return "+".join(known) or f"unknown ({sys.platform}, {os.name})"
