"""The numbers that move: float32 masters, and the model's parameters that follow them in the training precision.

>>> weights = Weights(model, torch.bfloat16, keep=model.head_parameters())
>>> loss.backward(); weights.collect()     # gradients of the low-precision parameters, added up in float32
>>> optimizer.step(); weights.publish()    # masters to the model
>>> weights.restore()                      # at the end: the model holds float32 again, frozen parts bit for bit

Half-precision weights with float32 masters are faster than autocast, which casts every matrix in every pass (a quarter
of a step on a CPU). In float32 a master IS the model's parameter and nothing is copied.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import nn

from weitiao.tuning.sharded import fill


class Weights:
    """Masters of a model's trainable parameters, by name.

    Args:
        model: already on its device.
        dtype: what the forward pass computes in.
        keep: parameters that stay float32 in any case (the head).
    """

    def __init__(self, model: nn.Module, dtype: torch.dtype, keep: Iterable[nn.Parameter] = ()) -> None:
        self.masters: dict[str, nn.Parameter] = {}
        self._followers: dict[str, nn.Parameter] = {}
        self._frozen: list[tuple[nn.Parameter, torch.Tensor]] = []
        kept = {id(p) for p in keep}
        for name, parameter in model.named_parameters():
            # What is no floating-point number is a matrix packed into few bits.
            low = id(parameter) not in kept and parameter.dtype != dtype and parameter.is_floating_point()
            original = parameter.data
            if low:
                parameter.data = original.to(dtype)
            if not parameter.requires_grad:
                self._frozen += [(parameter, original)] if low else []
                continue
            self.masters[name] = nn.Parameter(original) if low else parameter
            if low:
                self._followers[name] = parameter

    def collect(self) -> None:
        """Add the gradients of one micro-batch to the masters', in float32."""
        for name, parameter in self._followers.items():
            if parameter.grad is not None:
                master = self.masters[name]
                if master.grad is None:
                    master.grad = parameter.grad.float()
                else:
                    master.grad += parameter.grad
                parameter.grad = None

    def publish(self) -> None:
        """Bring the model's parameters up to the masters."""
        with torch.no_grad():
            for name, parameter in self._followers.items():
                parameter.copy_(self.masters[name])

    def clear(self) -> None:
        """Forget all gradients."""
        for parameter in (*self.masters.values(), *self._followers.values()):
            parameter.grad = None

    def load(self, values: Mapping[str, torch.Tensor]) -> None:
        """Set every master, and the model after them."""
        with torch.no_grad():
            for name, master in self.masters.items():
                fill(master, values[name])
        self.publish()

    @contextmanager
    def showing(self, values: Mapping[str, torch.Tensor] | None) -> Iterator[None]:
        """The model with other values (an average) in place of the masters, for one validation."""
        if values is None:
            yield
            return
        own = {name: master.detach().clone() for name, master in self.masters.items()}
        self.load(values)
        try:
            yield
        finally:
            self.load(own)

    def restore(self) -> None:
        """Put float32 back into the model: the masters where something moved, the original numbers elsewhere."""
        for name, parameter in self._followers.items():
            parameter.data = self.masters[name].data
        for parameter, original in self._frozen:
            parameter.data = original
        self._followers, self._frozen = {}, []


class Average:
    """Exponential moving average of the masters: value ← d·value + (1−d)·master with d = min(decay, (1+t)/(10+t)),
    so that the first updates t do not hold on to the start."""

    def __init__(self, masters: Mapping[str, nn.Parameter], decay: float) -> None:
        self.decay, self._masters = decay, masters
        self.values = {name: master.detach().clone() for name, master in masters.items()}

    def update(self, step: int) -> None:
        """Take in the masters after update `step` (from 0)."""
        kept = min(self.decay, (1 + step) / (10 + step))
        with torch.no_grad():
            for name, value in self.values.items():
                value.lerp_(self._masters[name], 1 - kept)
