"""How fast the CPU multiplies is asked without waiting for what it cannot do."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from weitiao.core import rates


@pytest.fixture(autouse=True)
def anew() -> Iterator[None]:
    rates.rates.cache_clear()
    yield
    rates.rates.cache_clear()


@pytest.mark.parametrize(("bf16", "asked"), [
    (1e9, [(rates.FEW, ("fp32", "bf16")), (rates.ROWS, ("fp32",))]),  # as on CPUs that multiply it by hand
    (30e9, [(rates.FEW, ("fp32", "bf16")), (rates.ROWS, ("fp32", "bf16"))])])
def test_the_whole_product_is_asked_only_of_what_keeps_up(bf16: float, asked: list[tuple[int, tuple[str, ...]]],
                                                          monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, tuple[str, ...]]] = []

    def fastest(rows: int, width: int, kinds: tuple[str, ...], *, turns: int) -> dict[str, float]:
        seen.append((rows, kinds))
        return {k: {"fp32": 60e9, "bf16": bf16}[k] for k in kinds}

    monkeypatch.setattr(rates, "_fastest", fastest)
    assert rates.rates(384) == {"fp32": 60e9, "bf16": bf16}
    assert seen == asked


def test_this_machine_has_rates() -> None:
    found = rates.rates(32)
    assert set(found) == {"fp32", "bf16"}
    assert all(1e6 < rate < 1e16 for rate in found.values())
