"""In which numbers to compute, and on which device.

>>> choose("auto", torch.device("cpu"), width=384)
Choice(name='bf16', reason='bf16 products run 4.1 times as fast as fp32 here')

bfloat16 wins by a factor on CPUs with AVX512-BF16 or AMX and loses on others; a measurement of some milliseconds knows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from weitiao.core import rates
from weitiao.core.errors import RecipeError
from weitiao.core.i18n import t

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True, slots=True)
class Choice:
    """A precision's name and why it was taken."""

    name: str
    reason: str


def device(name: str) -> torch.device:
    """The device of that name; auto: CUDA, then Apple's MPS, then the CPU. Raises RecipeError `device.missing`."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        torch.empty(0, device=name)
        return torch.device(name)
    except (RuntimeError, AssertionError) as e:  # torch asserts when it was built without CUDA
        raise RecipeError("device.missing", t("there is no device {n!r} here", "本机没有设备 {n!r}", n=name),
                          where="tune.device", expected="auto, cpu, cuda, cuda:1, mps",
                          fix=t("set tune.device=auto", "请设 tune.device=auto")) from e


def choose(wanted: str, where: torch.device, width: int) -> Choice:
    """The precision for a model of that hidden width. Raises RecipeError where `wanted` cannot work."""
    if wanted == "fp16" and where.type != "cuda":
        raise RecipeError("recipe.bad_value", t("fp16 needs a CUDA GPU", "fp16 需要 CUDA 显卡"),
                          where="tune.precision", expected="auto, fp32, bf16",
                          fix=t("set tune.precision=auto", "请设 tune.precision=auto"))
    if wanted != "auto":
        return Choice(wanted, t("asked for", "由设置指定"))
    if where.type == "cuda":
        bf16 = torch.cuda.get_device_capability(where)[0] >= 8
        return Choice("bf16", t("this GPU has bf16", "该显卡支持 bf16")) if bf16 else \
            Choice("fp16", t("this GPU has no bf16: fp16 with loss scaling", "该显卡不支持 bf16：用 fp16 和损失缩放"))
    if where.type == "mps":
        return Choice("fp32", t("the safe choice on MPS", "MPS 上稳妥的选择"))
    gain = rates.gain(width)
    return Choice("bf16" if gain > rates.GAIN else "fp32",
                  t("bf16 products run {g:.1f} times as fast as fp32 here",
                    "本机 bf16 矩阵乘速度是 fp32 的 {g:.1f} 倍", g=gain))


@contextmanager
def float32_inputs(model: nn.Module, head: Iterable[nn.Parameter]) -> Iterator[None]:
    """Cast to float32 whatever enters a module that owns a parameter of the head: head and loss stay float32."""
    owned = {id(p) for p in head}
    modules = [m for m in model.modules() if any(id(p) in owned for p in m.parameters(recurse=False))]
    handles = [m.register_forward_pre_hook(_to_float32) for m in modules]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _to_float32(_: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(a.float() if isinstance(a, torch.Tensor) and a.is_floating_point() else a for a in args)
