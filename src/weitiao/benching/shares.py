"""From what torch's profiler saw to parts that a person understands.

>>> of(seen.events(), on_gpu=False)
{'matrix': 0.58, 'attention': 0.12, 'dropout': 0.03, 'layers': 0.09, 'optimiser': 0.08, 'embedding': 0.01, ...}

Each operation's own time counts, without that of what it calls. Where it stands decides first (making a batch, the
optimiser's step, a dropout module; of a dropout's backward pass the number that torch gives to both), else its name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn
from torch.profiler import record_function

from weitiao.tuning.dropout import Pooled

PARTS = ("matrix", "attention", "dropout", "layers", "optimiser", "embedding", "copies", "data", "other")
DATA, DROPOUT = "weitiao: data", "weitiao: dropout"
_STEP = "Optimizer.step#"  # torch's own mark
_NAMES = {
    "matrix": {"mm", "addmm", "linear", "matmul", "mv", "addmv", "dot", "_addmm_activation", "mkldnn_linear",
               "mkldnn_linear_backward_weights", "linear_backward", "_linear_backward"},
    "attention": {"bmm", "baddbmm", "softmax", "_softmax", "_softmax_backward_data", "_safe_softmax",
                  "scaled_dot_product_attention"},
    "dropout": {"dropout", "native_dropout", "native_dropout_backward", "bernoulli_", "bernoulli"},
    "optimiser": {"_foreach_norm", "linalg_vector_norm", "_foreach_mul_", "clamp"},
    "embedding": {"embedding", "embedding_backward", "embedding_dense_backward", "index_select", "index", "index_put_",
                  "_index_put_impl_", "gather", "scatter_add_", "index_add", "index_add_"},
    "copies": {"copy_", "_to_copy", "to", "clone", "contiguous", "cat", "stack", "fill_", "zero_", "zeros", "empty",
               "empty_like", "zeros_like", "new_zeros", "empty_strided", "expand", "slice_backward", "select_backward"},
    "layers": {"native_layer_norm", "native_layer_norm_backward", "layer_norm", "gelu", "gelu_backward", "silu",
               "silu_backward", "relu", "relu_", "threshold_backward", "tanh", "tanh_backward", "sigmoid", "add",
               "add_", "sub", "mul", "mul_", "div", "neg", "sum", "mean", "pow", "rsqrt", "sqrt", "exp", "cos", "sin",
               "where", "masked_fill", "masked_fill_", "_fused_rms_norm", "_fused_rms_norm_backward"},
}
_BY_NAME = {name: part for part, names in _NAMES.items() for name in names}
_FAMILIES = {"_scaled_dot_product": "attention", "_flash_attention": "attention", "_efficient_attention": "attention",
             "_fused_adam": "optimiser", "mkldnn_": "matrix"}


def of(events: Iterable[Any], *, on_gpu: bool) -> dict[str, float]:
    """The share of each of `PARTS` in the time that all events took by themselves; on a GPU in the GPU's time."""
    every = list(events)
    dropped = {e.sequence_nr for e in every if e.sequence_nr >= 0 and _region(e) == "dropout"}
    found = dict.fromkeys(PARTS, 0.0)
    for event in every:
        took = event.self_device_time_total if on_gpu else event.self_cpu_time_total
        found[_region(event) or _backward(event, dropped) or part_of(event.name)] += took
    total = sum(found.values()) or 1.0
    return {part: time / total for part, time in found.items()}


def part_of(name: str) -> str:
    """By the name of an operation: `aten::addmm` is a matrix product."""
    plain = name.rpartition("::")[2]
    return _BY_NAME.get(plain) or next((part for start, part in _FAMILIES.items() if plain.startswith(start)), "other")


def _region(event: Any) -> str:
    """The part that an event or one around it names, "" for none."""
    while event is not None:
        if event.name == DATA:
            return "data"
        if event.name == DROPOUT:
            return "dropout"
        if event.name.startswith(_STEP):
            return "optimiser"
        event = event.cpu_parent
    return ""


def _backward(event: Any, dropped: set[int]) -> str:
    """Dropout, where the event belongs to the backward pass of an operation inside one."""
    while event is not None:
        if event.sequence_nr in dropped and event.name.startswith("autograd::"):
            return "dropout"
        event = event.cpu_parent
    return ""


@contextmanager
def dropout_named(model: nn.Module) -> Iterator[None]:
    """Every dropout module of the model is a region of its own in a profile."""
    handles = []
    for module in (m for m in model.modules() if isinstance(m, nn.Dropout | Pooled)):
        region = _Region()
        handles += [module.register_forward_pre_hook(region.enter), module.register_forward_hook(region.leave)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


class _Region:
    def __init__(self) -> None:
        self._now: Any = None

    def enter(self, *_: Any) -> None:
        self._now = record_function(DROPOUT)
        self._now.__enter__()

    def leave(self, *_: Any) -> None:
        self._now.__exit__(None, None, None)
