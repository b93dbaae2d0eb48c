"""What cannot fit is refused before it begins, with the nearest setting that can; limits are a made-up machine's."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tuning_case import Case, make_recipe
from weitiao import footprint, models, tuning
from weitiao.core import room
from weitiao.core.errors import TrainingError
from weitiao.events import Progress
from weitiao.footprint import Spot
from weitiao.models import needs
from weitiao.models.needs import Shape
from weitiao.recipe import Recipe
from weitiao.tuning import fits
from weitiao.tuning.rungs import rungs

GB = 10**9
GPT3 = Shape(175 * GB, 0, layers=96, width=12288, heads=96, words=51200)
BIG = Shape(340_000_000, 30_000_000, layers=24, width=1024, heads=16, words=30522)


@pytest.fixture(autouse=True)
def _room_on_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever disk the tests run on: made-up models of a billion numbers want tens of gigabytes."""
    monkeypatch.setattr(room.shutil, "disk_usage", lambda _: type("", (), {"free": 10**14}))


def machine(root: Path, free: float) -> Path:
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/meminfo").write_text(f"MemAvailable: {int(free) // 1024} kB\n")
    return root


def resolved(**tune: object) -> Recipe:
    return make_recipe(**tune).updated({"model": {"max_length": 512}})


def test_activations_are_those_of_the_paper() -> None:
    """Korthikanti et al. 2022, section 4.1: with a = 96, s = 2048, h = 12288 the term 5as/h is 80."""
    tokens = 2048
    assert needs.activations(GPT3, tokens, 2048, 2) == pytest.approx(96 * tokens * 12288 * (34 + 80))
    flash = replace(GPT3, scores=False)
    assert needs.activations(flash, tokens, 2048, 2) == pytest.approx(96 * tokens * 12288 * 34)
    again = needs.activations(GPT3, tokens, 2048, 2, recomputes=True)
    assert again == pytest.approx(tokens * 12288 * (34 + 80) + 96 * tokens * 12288 * 2)
    assert needs.activations(GPT3, 10, 8, 4, logits=10) - needs.activations(GPT3, 10, 8, 4) == 10 * 51200 * 12


def test_logits_leave_no_holes() -> None:
    assert footprint.holes(10.0, 4.0, 0.5) == 3 and footprint.holes(3.0, 4.0) == 0
    plain, speaks = (footprint.gigabytes(resolved(), replace(BIG, embeddings=0), Spot(100, 100, 4, kind))
                     for kind in ("sequence", "language"))
    assert speaks - plain == pytest.approx(100 * 30522 * 12 / 1e9)


def test_adamw_holds_two_moments_and_sgd_one() -> None:
    full, plain = (footprint.standing(resolved(optimizer=o), BIG, Spot(1, 1, 4, "sequence")) for o in ("adamw", "sgd"))
    assert full - plain == 4 * 310_000_000  # of the word embeddings only the rows in use move
    speaks = footprint.standing(resolved(), BIG, Spot(1, 1, 4, "language"))
    assert speaks - full == 12 * 30_000_000


def test_the_rungs_go_down(tiny_folder: Path) -> None:
    base = models.find(str(tiny_folder))
    found = rungs(resolved(), base, Spot(2048, 512, 2, "sequence", language="en"))
    assert [r.settings for r in found[:2]] == [("tune.micro_batch_tokens=1024",), ("tune.micro_batch_tokens=512",)]
    said = [" ".join(r.settings) for r in found]
    order = [next(i for i, s in enumerate(said) if x in s) for x in ("micro_batch", "checkpointing", "lora", "freeze", "head")]
    assert order == sorted(order)
    sizes = [r.gigabytes for r in found[:4]]
    assert sizes == sorted(sizes, reverse=True)
    named = {x for r in found for x in r.settings}
    for setting in named:  # each can be given as it is said
        resolved().with_set(setting)


def test_a_head_is_no_rung_where_the_model_speaks(tiny_folders: dict[str, Path]) -> None:
    base = models.find(str(tiny_folders["decoder"]))
    assert not any("head" in " ".join(r.settings) for r in rungs(resolved(), base, Spot(512, 256, 2, "language")))


def test_weights_that_do_not_fit_are_refused_before_they_are_loaded(tiny_folder: Path, tmp_path: Path) -> None:
    base = replace(models.find(str(tiny_folder)), parameters=GB, embedding_parameters=10**8)
    with pytest.raises(TrainingError) as e:  # 4 GB of weights, 0.9 × 12 GB of gradients and moments
        fits.bound(resolved(), base, tmp_path, "sequence", machine(tmp_path / "a", 14 * GB))
    assert e.value.code == "plan.no_memory" and "free memory" in e.value.what
    assert "--set tune.micro_batch_tokens" in e.value.fix or "--set method.name=lora" in e.value.fix
    fits.bound(resolved(), base, tmp_path, "sequence", machine(tmp_path / "b", 15 * GB))
    lora = resolved().updated({"method": {"name": "lora"}})
    fits.bound(lora, base, tmp_path, "sequence", machine(tmp_path / "c", 5 * GB))


def test_only_what_is_certain_is_refused(tiny_folder: Path, tmp_path: Path) -> None:
    """An encoder that is to write has its words cut; qlora packs its weights; both pass where 4 bytes a number would not."""
    base = replace(models.find(str(tiny_folder)), parameters=GB, embedding_parameters=GB - 10**7)
    fits.bound(resolved(), base, tmp_path, "language", machine(tmp_path / "a", GB))
    with pytest.raises(TrainingError):
        fits.bound(resolved(), base, tmp_path, "sequence", machine(tmp_path / "b", GB))
    packed = resolved().updated({"method": {"name": "qlora"}})
    fits.bound(packed, base, tmp_path, "sequence", machine(tmp_path / "c", GB))


def test_what_comes_with_the_first_pass_does_not_grow_with_the_tokens(tmp_path: Path,
                                                                      monkeypatch: pytest.MonkeyPatch) -> None:
    """Gradients and what libraries allocate once: 1 GB here, a pass of one token 1 MB more, 3,000 tokens 3 GB."""
    passes: list[int] = []

    def held(_: object, rows: list[int]) -> float:
        passes.append(len(rows))
        return GB + 1e6 if len(passes) == 1 else 1e6 * len(rows)

    def refuse(recipe: object, engine: object, long: object, needed: float, kind: str, root: Path) -> None:
        assert needed < 5 * GB

    monkeypatch.setattr(fits, "held", held)
    monkeypatch.setattr(fits, "_refuse_above", refuse)
    fits.check_pass(resolved(), of_one_token(3000), [0], list(range(3000)), 0.0, "sequence",
                    machine(tmp_path / "a", 9 * GB))
    assert passes == [1, 1]


def of_one_token(count: int) -> Any:
    """An engine with so many rows."""
    return type("", (), {"rows": type("", (), {"sizes": [(1, 1)] * count})})


def test_what_comes_with_every_pass_does_not_grow_with_the_tokens(tmp_path: Path,
                                                                  monkeypatch: pytest.MonkeyPatch) -> None:
    """The gradient of a large vocabulary: 1 GB in each pass, and 1 MB a token; 3,000 tokens hold 4 GB, not 3,003."""
    needed: list[float] = []
    monkeypatch.setattr(fits, "held", lambda _, rows: GB + 1e6 * len(rows))
    monkeypatch.setattr(fits, "_refuse_above", lambda recipe, engine, long, most, kind, root: needed.append(most))
    monkeypatch.setattr(fits.memory, "resident", lambda: 0)
    fits.check_pass(resolved(), of_one_token(3000), [0], list(range(3000)), 0.0, "sequence",
                    machine(tmp_path / "a", 6 * GB))
    assert needed == [pytest.approx(GB + 3e9)]
    for nothing_to_learn in (0.0, float("inf")):  # no more than the pass before held; memory ran out
        monkeypatch.setattr(fits, "held", lambda _, rows, x=nothing_to_learn: x)
        fits.check_pass(resolved(), of_one_token(3000), [0], list(range(3000)), 9.0 * GB, "sequence",
                        machine(tmp_path / str(nothing_to_learn), 6 * GB))
        assert needed.pop() == nothing_to_learn + 9.0 * GB


def test_where_nothing_fits_a_linear_model_is_named(tiny_folder: Path, tmp_path: Path,
                                                    monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fits.memory, "resident", lambda: 10**8)  # what other tests left in the process counts as room
    base = replace(models.find(str(tiny_folder)), parameters=10 * GB)
    with pytest.raises(TrainingError) as e:
        fits.bound(resolved(), base, tmp_path, "sequence", machine(tmp_path / "a", GB // 2))
    assert "TF-IDF" in e.value.fix


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux sets and counts address space")
def test_a_real_limit_of_this_process_refuses(tiny_folder: Path) -> None:
    code = f"""
import resource, dataclasses
from pathlib import Path
from weitiao import models
from weitiao.core import room
from weitiao.recipe import Recipe
from weitiao.tuning import fits
base = dataclasses.replace(models.find({str(tiny_folder)!r}), parameters=10**9)
recipe = Recipe.build({{"tune": {{"device": "cpu"}}, "model": {{"max_length": 64}}}})
used = int(next(x for x in open("/proc/self/status") if x.startswith("VmSize")).split()[1]) * 1024
resource.setrlimit(resource.RLIMIT_AS, (used + 10**9, used + 10**9))
try:
    fits.bound(recipe, base, Path("."), "sequence")
except Exception as e:
    print(e.code, e)
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.startswith("plan.no_memory") and "ulimit -v" in said


def test_a_disk_that_is_too_small_is_named(tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = replace(models.find(str(tiny_folder)), parameters=10**6, embedding_parameters=0)
    full = footprint.disk(resolved(), needs.shape(base), "sequence")
    assert full == 4 * 10**6 + 4 * 4 * 10**6  # the model; best weights, masters and two moments
    monkeypatch.setattr(room.shutil, "disk_usage", lambda _: type("", (), {"free": full - 1}))
    with pytest.raises(TrainingError) as e:
        fits.bound(resolved(), base, tmp_path / "run", "sequence", machine(tmp_path / "a", GB))
    assert e.value.code == "plan.no_disk" and e.value.where == str(tmp_path)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere nothing is weighed")
def test_the_longest_pass_is_weighed_and_refused_before_the_first_update(
        case: Callable[..., Case], tiny_folder: Path, tmp_path: Path) -> None:
    setting = case(rows=200)
    recipe = resolved().updated({"model": {"name": str(tiny_folder)}})
    with ExitStack() as stack:
        engine = setting.engine(stack, tmp_path / "tune")
        before = {n: p.detach().clone() for n, p in engine.weights.masters.items()}
        needed = fits.weighed(recipe, engine, 10, "sequence", machine(tmp_path / "a", 8 * GB))
        assert needed is not None and 10**8 < needed < 4 * GB
        with pytest.raises(TrainingError) as e:
            fits.weighed(recipe, engine, 10, "sequence", machine(tmp_path / "b", 2048))
        assert e.value.code == "plan.no_memory" and "free memory" in str(e.value)
        assert all(bool((p == before[n]).all()) and p.grad is None for n, p in engine.weights.masters.items())


def test_only_where_room_is_ample_the_first_update_comes_before_the_weighing(
        case: Callable[..., Case], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    setting = case(rows=40)
    with ExitStack() as stack:
        engine = setting.engine(stack, tmp_path / "tune")
        assert fits.ample(resolved(), engine, 10, "sequence", machine(tmp_path / "a", 100 * GB))
        assert not fits.ample(resolved(), engine, 10, "sequence", machine(tmp_path / "b", GB // 1000))
    for ample in (False, True):
        made: list[Progress] = []

        def refuse(*_: object, made: list[Progress] = made) -> None:
            raise TrainingError("plan.no_memory", f"after {len(made)}")

        monkeypatch.setattr(fits, "ample", lambda *_, ample=ample: ample)
        monkeypatch.setattr(fits, "weighed", refuse)
        with pytest.raises(TrainingError, match=f"after {int(ample)}"):
            tuning.fit(folder=tmp_path / str(ample), on_event=lambda e, made=made: made.append(e)
                       if isinstance(e, Progress) else None, **setting.inputs())


def test_the_longest_pass_is_the_one_with_the_most_work(case: Callable[..., Case], tmp_path: Path) -> None:
    with ExitStack() as stack:
        engine = case(rows=200).engine(stack, tmp_path)
        long, short = fits.longest_and_shortest(engine.batches, 10**9)
        sizes = engine.batches.sizes
        every = [one for step in range(engine.batches.per_epoch) for one in engine.batches(step)]

    def length(one: list[int]) -> int:
        return max(sizes[i][0] for i in one)

    assert length(long) == max(map(length, every)) and len(short) * length(short) <= len(long) * length(long)
