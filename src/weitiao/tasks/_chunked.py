"""Cross-entropy over a large vocabulary without a second copy of all logits in float32.

>>> loss = cross_entropy(logits, targets)     # (P, words) in any precision, (P,): Σ −log p(target) in float32
>>> loss.backward()                           # the gradient was made chunk by chunk, in the logits' own precision

Plain cross-entropy holds the logits, their float32 copy, its log-softmax and its gradient: at 1,000 places and 250,000
words four times a gigabyte. Here there are the logits and their gradient.
"""

from __future__ import annotations

from typing import Any

import torch

_AT_ONCE = 128  # places in float32 at a time


def cross_entropy(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """The sum over places, a float32 scalar."""
    found: torch.Tensor = _CrossEntropy.apply(logits, targets)  # type: ignore[no-untyped-call]
    return found


def each(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """−log p(target) of each place, (P,) float32, without a gradient."""
    parts = [torch.nn.functional.cross_entropy(logits[i : i + _AT_ONCE].detach().float(), targets[i : i + _AT_ONCE],
                                               reduction="none") for i in range(0, len(targets), _AT_ONCE)]
    return torch.cat(parts) if parts else logits.new_zeros(0, dtype=torch.float32)


class _CrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        total = torch.zeros((), dtype=torch.float64, device=logits.device)
        gradient = torch.empty_like(logits) if logits.requires_grad else None
        for i in range(0, len(targets), _AT_ONCE):
            part, truth = logits[i : i + _AT_ONCE].float(), targets[i : i + _AT_ONCE, None]
            part = part.log_softmax(-1)
            total -= part.gather(1, truth).double().sum()
            if gradient is not None:
                part = part.exp_()
                part.scatter_add_(1, truth, part.new_full(truth.shape, -1.0))
                gradient[i : i + _AT_ONCE] = part
        if gradient is not None:
            ctx.save_for_backward(gradient)
        return total.float()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, given: torch.Tensor) -> tuple[torch.Tensor, None]:
        (gradient,) = ctx.saved_tensors
        return gradient * given.to(gradient.dtype), None
