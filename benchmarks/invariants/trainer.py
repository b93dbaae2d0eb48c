"""The peer: transformers' Trainer, set up as the task guides of its documentation do. Knows nothing of ours.

    .peers/bin/python trainer.py WORK KIND...                      # gradients, training loss, evaluation loss
    torchrun --nproc-per-node 2 trainer.py WORK KIND...            # the same by two processes

Writes WORK/<kind>/trainer/<how>.pt with the gradient of one update of 8 rows and its logged loss, and the evaluation
losses to WORK/trainer-<processes>.json.
Clipping is off, so that the gradient is seen as it is; the optimiser's step comes after it and plays no part.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import accelerate
import torch
import transformers
from transformers import (
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForSeq2SeqLM,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoTokenizer,
    DataCollatorForLanguageModeling,
    DataCollatorForSeq2Seq,
    DataCollatorForTokenClassification,
    DataCollatorWithPadding,
    Seq2SeqTrainer,
    Seq2SeqTrainingArguments,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    set_seed,
)

Row = dict[str, Any]


def main() -> None:
    work, kinds = Path(sys.argv[1]), sys.argv[2:]
    transformers.logging.set_verbosity_error()
    rank, ranks = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    torch.set_num_threads(1)
    found: dict[str, Any] = {"versions": {m.__name__: m.__version__ for m in (torch, transformers, accelerate)}}
    for kind in kinds:
        folder = work / kind.replace(" ", "-")
        (folder / "trainer").mkdir(exist_ok=True)
        found[kind] = alone(folder, kind) if ranks == 1 else together(folder, kind, rank, ranks)
    if rank == 0:
        (work / f"trainer-{ranks}.json").write_text(json.dumps(found))


def alone(folder: Path, kind: str) -> dict[int, float]:
    for batch, passes in ((8, 1), (2, 4)):
        one_update(folder, kind, f"{batch}x{passes}", batch, passes)
    return {size: evaluated(folder, kind, size) for size in (1, 8, 32)}


def together(folder: Path, kind: str, rank: int, ranks: int) -> float:
    one_update(folder, kind, f"ranks-{rank}", 8 // ranks, 1)
    loss = evaluated(folder, kind, 8)
    one_update(folder, kind, f"evaluated-{rank}", 8 // ranks, 1, evaluate_first=True)
    return loss


def one_update(folder: Path, kind: str, name: str, batch: int, passes: int, *, evaluate_first: bool = False) -> None:
    """The gradient as the optimiser gets it, and the loss as it is logged."""
    seen = Gradient()
    with tempfile.TemporaryDirectory() as out:
        trainer = build(folder, kind, out, callbacks=[seen], per_device_train_batch_size=batch,
                        gradient_accumulation_steps=passes, max_steps=1, max_grad_norm=0.0, logging_steps=1,
                        save_strategy="no")
        if evaluate_first:
            trainer.evaluate()
        trainer.train()
    loss = next(line["loss"] for line in trainer.state.log_history if "loss" in line)
    torch.save({"gradient": seen.vector, "loss": loss}, folder / "trainer" / f"{name}.pt")


class Gradient(TrainerCallback):
    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        self.vector = torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).double().flatten()
                                 for p in model.parameters() if p.requires_grad])


def evaluated(folder: Path, kind: str, size: int) -> float:
    """`evaluate()` of the untrained model."""
    with tempfile.TemporaryDirectory() as out:
        trainer = build(folder, kind, out, per_device_eval_batch_size=size, save_strategy="no")
        return float(trainer.evaluate()["eval_loss"])


def build(folder: Path, kind: str, out: str | Path, *, callbacks: Any = None, **settings: Any) -> Trainer:
    """The Trainer of that kind of model on the folder's rows; what `settings` leaves out is as it comes."""
    set_seed(1)
    tokenizer = AutoTokenizer.from_pretrained(folder / "model")
    rows, held_out = read(folder / "train.jsonl"), read(folder / "eval.jsonl")
    model, encode, collator = KINDS[kind](folder / "model", tokenizer, rows)
    seq2seq = model.config.is_encoder_decoder
    trainer, arguments = (Seq2SeqTrainer, Seq2SeqTrainingArguments) if seq2seq else (Trainer, TrainingArguments)
    return trainer(model, arguments(str(out), **{"use_cpu": True, "report_to": "none", "disable_tqdm": True, "seed": 1,
                                                 **settings}),
                   train_dataset=[encode(r) for r in rows], eval_dataset=[encode(r) for r in held_out],
                   data_collator=collator, processing_class=tokenizer, callbacks=callbacks)


def read(path: Path) -> list[Row]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


# -- kinds: model, how a row becomes numbers, how rows become a batch --------------------------------------------------


def classification(model: Path, tokenizer: Any, rows: list[Row]) -> Any:
    number = {label: i for i, label in enumerate(sorted({r["label"] for r in rows}))}
    return (AutoModelForSequenceClassification.from_pretrained(model, num_labels=len(number)),
            lambda r: {**tokenizer(r["text"]), "labels": number[r["label"]]}, DataCollatorWithPadding(tokenizer))


def regression(model: Path, tokenizer: Any, rows: list[Row]) -> Any:
    return (AutoModelForSequenceClassification.from_pretrained(model, num_labels=1, problem_type="regression"),
            lambda r: {**tokenizer(r["text"]), "labels": float(r["label"])}, DataCollatorWithPadding(tokenizer))


def tagging(model: Path, tokenizer: Any, rows: list[Row]) -> Any:
    number = {tag: i for i, tag in enumerate(sorted({tag for r in rows for tag in r["tags"]}))}

    def encode(row: Row) -> dict[str, Any]:
        tokens = tokenizer(row["tokens"], is_split_into_words=True)
        words = tokens.word_ids()
        first = [w is not None and (i == 0 or words[i - 1] != w) for i, w in enumerate(words)]
        labels = [number[row["tags"][w]] if f else -100 for w, f in zip(words, first, strict=True)]
        return {**tokens, "labels": labels}

    return (AutoModelForTokenClassification.from_pretrained(model, num_labels=len(number)), encode,
            DataCollatorForTokenClassification(tokenizer))


def seq2seq(model: Path, tokenizer: Any, rows: list[Row]) -> Any:
    made = AutoModelForSeq2SeqLM.from_pretrained(model)
    return (made, lambda r: dict(tokenizer(r["source"], text_target=r["target"])),
            DataCollatorForSeq2Seq(tokenizer, model=made))


def causal(model: Path, tokenizer: Any, rows: list[Row]) -> Any:
    return (AutoModelForCausalLM.from_pretrained(model), lambda r: dict(tokenizer(f"{r['source']} {r['target']}")),
            DataCollatorForLanguageModeling(tokenizer, mlm=False))


def masked(model: Path, tokenizer: Any, rows: list[Row]) -> Any:
    return (AutoModelForMaskedLM.from_pretrained(model), lambda r: dict(tokenizer(r["text"])),
            DataCollatorForLanguageModeling(tokenizer))


KINDS = {"classification": classification, "regression": regression, "tagging": tagging, "T5": seq2seq,
         "BART": seq2seq, "causal LM": causal, "masked LM": masked}


if __name__ == "__main__":
    main()
