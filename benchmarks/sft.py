"""`weitiao tune` and TRL's SFTTrainer in turns: a small decoder by LoRA on the same rows, with the same settings.

    python benchmarks/sft.py FOLDER [--rows 320] [--test 100] [--turns 3] [--model smollm2-135m] [--work DIR]

FOLDER (e2e-nlg) holds train.jsonl and test.jsonl with "source" and "target". Both sides make one epoch of batches of
8 rows: LoRA r = 8, alpha = 8 on q and v, AdamW, 2e-4 falling linearly to 0. Texts are written "User:↵…↵↵Assistant:↵…",
weitiao's plain template, so that both read the very same tokens, which the script checks. Tokens a second are the
tokens of prompts and answers over the time of the updates (weitiao: until the last of timing.jsonl; TRL:
trainer.train()). The test rows judge both: perplexity of the right answers. Writes benchmarks/results/sft.md.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
from pathlib import Path

import beside
from beside import Numbers

from weitiao import models

BATCH = 8
SETTINGS = ("task.template=plain", "method.rank=8", "method.alpha=8", "method.dropout=0",
            'method.targets=["q_proj", "v_proj"]', f"tune.batch_size={BATCH}", "tune.epochs=1",
            "tune.learning_rate=2e-4", "tune.warmup=0", "tune.weight_decay=0", "split.validation=0",
            "evaluate.baselines=[]")
OURS, PLAIN, GROUPED = "weitiao tune", "SFTTrainer, as it comes", "SFTTrainer, group_by_length"


def main() -> None:
    parser = beside.options("folder", rows=320, model="smollm2-135m")
    parser.add_argument("--test", type=int, default=100)
    o = parser.parse_args()
    base = models.find(o.model).folder
    with beside.work(o.work) as folder:
        work = Path(folder)
        write_rows(o, work)
        sides = {OURS: lambda: ours(work, o.model, o.seed), PLAIN: lambda: trl(work, base, o.seed),
                 GROUPED: lambda: trl(work, base, o.seed, "--group")}
        bf16 = beside.has_bf16(base)
        if bf16:
            sides["SFTTrainer, bf16, group_by_length"] = lambda: trl(work, base, o.seed, "--group", "--bf16")
        turns = beside.in_turns(sides, o.turns)
    beside.write("sft.md", page(o, turns, bf16=bf16))


def write_rows(o: argparse.Namespace, work: Path) -> None:
    """The same rows for both sides: as they are, and as the plain template writes them."""
    for part, wanted in (("train", o.rows), ("test", o.test)):
        rows = beside.lines(o.folder / f"{part}.jsonl")
        rows = [{"source": r["source"], "target": r["target"]} for r in random.Random(o.seed).sample(rows, wanted)]
        beside.dump(work / f"{part}.jsonl", rows)
        beside.dump(work / f"{part}-peer.jsonl", [
            {"prompt": f"User:\n{r['source']}\n\nAssistant:\n", "completion": r["target"]} for r in rows])


def ours(work: Path, model: str, seed: int) -> Numbers:
    """The whole command; answers to the test rows and the report included."""
    run = work / "run"
    shutil.rmtree(run, ignore_errors=True)
    ran = beside.weitiao("tune", work / "train.jsonl", "--test", work / "test.jsonl", "--task", "generate", "--columns",
                         "prompt=source,target=target", "--model", model, "--method", "lora", "--seed", str(seed),
                         "--out", run, "--json", *(x for setting in SETTINGS for x in ("--set", setting)))
    timing = beside.lines(run / "tune" / "timing.jsonl")[-1]
    tokens = json.loads((run / "tune" / "encoding.json").read_text(encoding="utf-8"))["train"]["tokens"]
    scores = json.loads((run / "evaluate" / "scores.json").read_text(encoding="utf-8"))["metrics"]
    return numbers(ran, timing["seconds"], timing["step"], tokens,
                   next(s["value"] for s in scores if s["name"] == "perplexity"))


def trl(work: Path, base: Path, seed: int, *flags: str) -> Numbers:
    """The SFTTrainer in a process and an environment of its own."""
    ran, got = beside.peer("trl_sft.py", base, work / "train-peer.jsonl", work / "test-peer.jsonl", "--batch",
                           str(BATCH), "--seed", str(seed), *flags)
    return numbers(ran, got["train_s"], got["updates"], got["tokens"], got["perplexity"])


def numbers(ran: beside.Ran, seconds: float, updates: int, tokens: int, perplexity: float) -> Numbers:
    return {**ran.numbers, "train_s": seconds, "updates": updates, "tokens": tokens, "tokens_s": tokens / seconds,
            "perplexity": perplexity}


def page(o: argparse.Namespace, turns: beside.Turns, *, bf16: bool) -> list[str]:
    counted = {(got["tokens"], got["updates"]) for side in turns.values() for got in side}
    if len(counted) > 1:
        raise SystemExit(f"the sides did not read the same tokens in as many updates: {counted}")
    tokens, updates = counted.pop()
    return [
        *beside.head(f"LoRA on {o.folder.name}, {o.model}", turns,
                     ("torch", "transformers", "trl", "peft", "accelerate")),
        f"{o.rows} rows drawn by seed {o.seed}, {tokens:,} tokens of prompts and answers on every side, {updates} "
        f"updates of {BATCH} rows; perplexity of the right answers of {o.test} test rows by the tuned model in fp32. "
        "Equal: rows, tokens, LoRA (r = 8, alpha = 8, q and v, no dropout), AdamW, rate and schedule. Not equal: the "
        "order of the rows, the start of the matrices; TRL runs without recomputing activations and "
        + ("its fp32 is asked for." if bf16 else "in fp32, since this CPU gains nothing by bf16 (its own defaults "
           "recompute and use bf16).")
        + " weitiao's wall time also holds the written answers to the test rows and the report.", "",
        *beside.table({
            "tokens/s": beside.told("tokens_s", ".0f"),
            "of the SFTTrainer as it comes": beside.beside("tokens_s", turns[PLAIN]),
            "training, s": beside.told("train_s", ".0f"),
            **beside.costs(turns[PLAIN], "the SFTTrainer's"),
            "test perplexity": beside.told("perplexity", ".3f")}, turns)]


if __name__ == "__main__":
    main()
