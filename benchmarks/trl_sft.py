"""The peer: TRL's SFTTrainer with LoRA on rows with "prompt" and "completion". Runs in .peers/, knows nothing of ours.

    python trl_sft.py MODEL_FOLDER TRAIN.jsonl TEST.jsonl [--batch 8] [--epochs 1] [--group] [--bf16]

As its own examples write it, r=8 on q and v; in fp32 and without recomputing activations, which are its fastest
settings on a CPU without bf16 products. `--group`: rows of about one length in a batch. Prints one JSON object: tokens
of an epoch (prompts and completions), seconds of trainer.train(), and exp(Σ nats / Σ tokens) of the test completions.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
import transformers
from datasets import Dataset, disable_progress_bars
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import SFTConfig, SFTTrainer


def main() -> None:
    o = options()
    transformers.logging.set_verbosity_error()
    disable_progress_bars()
    train, test = read(o.train), read(o.test)
    tokenizer, model = AutoTokenizer.from_pretrained(o.model), AutoModelForCausalLM.from_pretrained(o.model)
    with tempfile.TemporaryDirectory() as folder:
        trainer = SFTTrainer(model, arguments(o, folder), train_dataset=train, eval_dataset=test,
                             processing_class=tokenizer,
                             peft_config=LoraConfig(r=8, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM"))
        start = time.perf_counter()
        trainer.train()
        seconds = time.perf_counter() - start
    print(json.dumps({
        "train_s": seconds, "updates": trainer.state.global_step, "perplexity": perplexity(trainer),
        "tokens": sum(len(ids) for ids in trainer.train_dataset["input_ids"]) * o.epochs}))


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("train", type=Path)
    parser.add_argument("test", type=Path)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--rate", type=float, default=2e-4)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--group", action="store_true")
    parser.add_argument("--bf16", action="store_true")
    return parser.parse_args()


def read(path: Path) -> Dataset:
    return Dataset.from_list([json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line])


def arguments(o: argparse.Namespace, folder: str) -> SFTConfig:
    extra: dict[str, Any] = {"train_sampling_strategy": "group_by_length"} if o.group else {}
    return SFTConfig(
        folder, num_train_epochs=o.epochs, per_device_train_batch_size=o.batch, learning_rate=o.rate,
        report_to="none", save_strategy="no", logging_steps=10**9, use_cpu=True, disable_tqdm=True, seed=o.seed,
        max_length=512, gradient_checkpointing=False, bf16=o.bf16, **extra)


@torch.no_grad()
def perplexity(trainer: SFTTrainer) -> float:
    """Row by row, so that no padding and no mean over batches comes in."""
    model, nats, count = trainer.model.eval(), 0.0, 0
    for row in trainer.eval_dataset:
        ids, learnt = torch.tensor([row["input_ids"]]), torch.tensor(row["labels"][1:]) != -100
        logits = model(input_ids=ids).logits[0, :-1].float()
        nats += float(torch.nn.functional.cross_entropy(logits[learnt], ids[0, 1:][learnt], reduction="sum"))
        count += int(learnt.sum())
    return math.exp(nats / count)


if __name__ == "__main__":
    main()
