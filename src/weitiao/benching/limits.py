"""What this machine can do at most: matrix products, moving memory, its cores and their units.

>>> measured(torch.device("cpu"))["rates"]     # operations a second; without what the machine does not have
{'fp32': 37.4e9, 'bf16': 0.5e9, 'int8': 39.8e9}

Each is the fastest of several turns: on a busy machine all others tell of the neighbours.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from weitiao.core.rates import ROWS, rates
from weitiao.run import machine

WIDTH = 1024  # of the product: 512 × 1,024 × 4,096, a layer's largest in a base of 300 million parameters
_TURNS = 12
_BYTES = 1 << 28  # copied for the bandwidth: many times what a cache holds
# Of what a processor says about itself, the units that matrix products use.
UNITS = ("avx2", "fma", "avx512f", "avx512_bf16", "avx512_fp16", "avx512_vnni", "avx_vnni", "amx_bf16", "amx_int8",
         "asimd", "asimddp", "bf16", "i8mm", "sve")


def measured(device: torch.device) -> dict[str, Any]:
    """Of the device that computes: rates (operations a second, by kind), bandwidth (bytes a second, read and written),
    and what the machine is: processor, cpus, threads, cpu_capability, units."""
    facts = machine()
    on_gpu = device.type == "cuda"
    return {
        "device": str(device), "name": torch.cuda.get_device_name(device) if on_gpu else facts["processor"],
        "cpus": facts["cpus"], "threads": torch.get_num_threads(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(), "units": units(),
        "rates": _of_gpu(device) if on_gpu else {**rates(WIDTH), **_int8()},
        "bandwidth": _bandwidth(device),
    }


def units(path: Path = Path("/proc/cpuinfo")) -> list[str]:
    """Which of `UNITS` the processor has; [] where the system has no such file."""
    if not path.is_file():
        return []
    said = {word for line in path.read_text(errors="replace").splitlines()
            if line.startswith(("flags", "Features")) for word in line.partition(":")[2].split()}
    return [unit for unit in UNITS if unit in said]


def _int8() -> dict[str, float]:
    """Of torch's product of float inputs with weights in 8 bits, {} where this torch was built without."""
    if torch.backends.quantized.engine == "none":
        return {}
    with warnings.catch_warnings():  # torch 2.13 calls its quantised tensors deprecated, and has no other such product
        warnings.simplefilter("ignore")
        weight = torch.quantize_per_tensor(torch.ones(4 * WIDTH, WIDTH), 0.1, 0, torch.qint8)
    packed, x = torch.ops.quantized.linear_prepack(weight, None), torch.ones(ROWS, WIDTH)
    seconds = _fastest(lambda: torch.ops.quantized.linear_dynamic(x, packed), torch.device("cpu"))
    return {"int8": 2 * ROWS * WIDTH * 4 * WIDTH / seconds}


def _of_gpu(device: torch.device) -> dict[str, float]:
    side = 8192
    found = {}
    for kind, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16), ("fp16", torch.float16)):
        a, b = (torch.ones(side, side, dtype=dtype, device=device) for _ in range(2))
        found[kind] = 2 * side**3 / _fastest(lambda a=a, b=b: a @ b, device)  # type: ignore[misc]
    a8, b8 = (torch.ones(side, side, dtype=torch.int8, device=device) for _ in range(2))
    return {**found, "int8": 2 * side**3 / _fastest(lambda: torch._int_mm(a8, b8), device)}


def _bandwidth(device: torch.device) -> float:
    source = torch.ones(_BYTES // 4, device=device)
    target = torch.empty_like(source)
    return 2 * _BYTES / _fastest(lambda: target.copy_(source), device)


def _fastest(work: Callable[[], Any], device: torch.device) -> float:
    best = math.inf
    for _ in range(_TURNS):
        start = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        best = min(best, time.perf_counter() - start)
    return best


