"""A model too large for one rank: each holds a share of every weight, gradient and moment, whole layers only while they
compute (FSDP2, `torch.distributed.fsdp.fully_shard`).

>>> shard(model, exact, torch.device("cuda"), torch.bfloat16, ranks)
>>> isinstance(model, FSDPModule)
True
>>> whole({"w": model.get_parameter("w")}, keep=ranks.first)     # all ranks together; complete tensors on rank 0
>>> fill(master, saved["w"])                                     # each rank takes its share of a complete tensor

Otherwise everything stays as in `ranks`: pass i of an update belongs to rank i mod size, gradients are summed once an
update in float32, and the sum is divided once by the count over all ranks. Since every pass gathers the layers from all
ranks, all must make as many: who has none left makes one that teaches nothing. Checkpoints hold complete tensors under
the same names, so they load on any number of ranks.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor

from weitiao.core.errors import RecipeError
from weitiao.core.i18n import t
from weitiao.models._parts import stacks
from weitiao.recipe import Recipe
from weitiao.tuning.ranks import Ranks

if TYPE_CHECKING:
    from weitiao.models.build import Model

_ELEMENTWISE = ("adamw", "adam", "nadam", "radam", "rmsprop", "sgd")


def check(recipe: Recipe, model: Model, device: torch.device, precision: str, *, fits_head: bool) -> None:
    """Raises RecipeError `recipe.bad_value` where weights in shares cannot be tuned as asked."""
    if recipe.tune.optimizer not in _ELEMENTWISE:
        raise _cannot(t("this optimiser looks at whole matrices", "该优化器需要看到完整矩阵"), "tune.optimizer",
                      ", ".join(_ELEMENTWISE))
    if precision == "fp16":
        raise _cannot(t("fp16 would scale the loss of each rank by itself", "fp16 会在各进程上分别缩放损失"),
                      "tune.precision", "auto, fp32, bf16")
    if any(not p.is_floating_point() for p in model.parameters()):
        raise _cannot(t("packed weights cannot be parted", "压缩后的权重无法切分"), "method.name", "full, lora, …")
    if len(model.new_rows):
        raise _cannot(t("new rows of the word embeddings cannot be parted", "词嵌入的新行无法切分"),
                      "model.new_tokens", "[]")
    if device.type == "mps":
        raise _cannot(t("MPS has no ranks", "MPS 不支持多进程"), "tune.device", "cpu, cuda")
    if fits_head and device.type != "cpu":
        raise _cannot(t("a head is fitted first only on a model that is whole", "只有完整的模型才能先拟合分类头"),
                      "tune.head_start", "random")


def _cannot(why: str, where: str, expected: str) -> RecipeError:
    return RecipeError("recipe.bad_value", t("with tune.shard=full: {w}", "tune.shard=full 时：{w}", w=why),
                       where=where, expected=expected,
                       fix=t("change it, or set tune.shard=none", "请修改，或设 tune.shard=none"))


def shard(model: Model, exact: Iterable[nn.Parameter], device: torch.device, dtype: torch.dtype, ranks: Ranks) -> None:
    """Part the model in place among the ranks: its layers one by one, what is `exact` by itself in float32, and the
    rest together. Parameters stay float32; they compute in `dtype`."""
    # A language model's logits are a view of the body's; nothing is written into them.
    warnings.filterwarnings("ignore", "FSDP2-wrapped module")
    mesh = init_device_mesh(device.type, (ranks.size,))
    low = MixedPrecisionPolicy(param_dtype=None if dtype == torch.float32 else dtype, reduce_dtype=torch.float32)
    full = MixedPrecisionPolicy(reduce_dtype=torch.float32, cast_forward_inputs=False)
    kept = {id(p) for p in exact}
    heads = [m for m in model.modules() if any(id(p) in kept for p in m.parameters(recurse=False))]
    for head in heads:
        fully_shard(head, mesh=mesh, mp_policy=full, reshard_after_forward=True)
    for name, depth in stacks(model.base):
        layers = model.base.get_submodule(name)
        for i in range(depth):
            fully_shard(layers.get_submodule(str(i)), mesh=mesh, mp_policy=low, reshard_after_forward=True)
    fully_shard(model, mesh=mesh, mp_policy=low, reshard_after_forward=True)


def parted(model: nn.Module) -> bool:
    """Has `shard` been here?"""
    return isinstance(model, FSDPModule)


def idle(model: nn.Module, passes: int, own: int, ranks: Ranks) -> int:
    """How many passes this rank must make beside its `own` of `passes` in all, so that all make as many."""
    return -(-passes // ranks.size) - own if isinstance(model, FSDPModule) else 0


def factor(model: nn.Module) -> float:
    """What a loss is multiplied with so that its gradients are summed over the ranks: FSDP takes their mean."""
    return float(dist.get_world_size()) if isinstance(model, FSDPModule) else 1.0


def sync(model: nn.Module, *, last: bool) -> None:
    """Are gradients summed over the ranks in the next backward pass? Only in an update's last."""
    if isinstance(model, FSDPModule):
        model.set_requires_gradient_sync(last)


def whole(tensors: Mapping[str, torch.Tensor], *, keep: bool) -> dict[str, torch.Tensor]:
    """Complete tensors, the parted ones on the CPU; nothing where they are not to be kept. Every rank calls it."""
    found = {}
    for name, tensor in tensors.items():
        full = tensor.full_tensor().cpu() if isinstance(tensor, DTensor) else tensor
        if keep:
            found[name] = full
    return found


def fill(tensor: torch.Tensor, complete: torch.Tensor) -> None:
    """Set a tensor, or this rank's share of it, from a complete one (or from one that is parted alike)."""
    if isinstance(tensor, DTensor) and not isinstance(complete, DTensor):
        rank, size = tensor.device_mesh.get_local_rank(), tensor.device_mesh.size()
        shares = complete.chunk(size)
        tensor.to_local().copy_(shares[rank] if rank < len(shares) else complete[:0])
    else:
        tensor.copy_(complete)


def like(tensor: torch.Tensor, complete: torch.Tensor) -> torch.Tensor:
    """A complete tensor parted as another of its shape is."""
    if not isinstance(tensor, DTensor) or tensor.shape != complete.shape:
        return complete
    made = torch.zeros_like(tensor, dtype=complete.dtype)
    fill(made, complete)
    return made


def local(tensor: torch.Tensor) -> torch.Tensor:
    """What this rank holds of it."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def numbers(parameters: Iterable[torch.Tensor]) -> int:
    """How many of them this rank holds."""
    return sum(local(p).numel() for p in parameters)
