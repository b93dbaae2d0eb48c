"""The peer: transformers' Trainer as it comes, on rows with "text" and "label". Runs in .peers/, knows nothing of ours.

    python hf_trainer.py MODEL_FOLDER TRAIN.jsonl TEST.jsonl [--epochs 1] [--batch 32] [--group] [--bf16]

Prints one JSON object: seconds of set-up, training and prediction, and the accuracy. fp32, dynamic padding, AdamW with
linear decay after a tenth of warm-up, evaluation once at the end. Rows are plain lists: no cache on disk is written.
`--group` (rows of about one length in a batch) is its fastest setting, with `--bf16` on CPUs that have such products.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import transformers
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    Trainer,
    TrainingArguments,
    set_seed,
)


def main() -> None:
    o, start = options(), time.perf_counter()
    transformers.logging.set_verbosity_error()
    set_seed(o.seed)
    train, test = read(o.train), read(o.test)
    labels = sorted({str(r["label"]) for r in train})
    tokenizer = AutoTokenizer.from_pretrained(o.model)
    model = AutoModelForSequenceClassification.from_pretrained(o.model, num_labels=len(labels))
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(model, arguments(o, folder, len(train)), train_dataset=encode(train, tokenizer, labels),
                          data_collator=DataCollatorWithPadding(tokenizer), processing_class=tokenizer)
        ready = time.perf_counter()
        trainer.train()
        trained = time.perf_counter()
        got = trainer.predict(encode(test, tokenizer, labels))
    done = time.perf_counter()
    print(json.dumps({
        "setup_s": ready - start, "train_s": trained - ready, "predict_s": done - trained,
        "accuracy": float((got.predictions.argmax(-1) == got.label_ids).mean()), "n": len(test),
        "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, "version": transformers.__version__,
    }))


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("train", type=Path)
    parser.add_argument("test", type=Path)
    parser.add_argument("--epochs", type=float, default=1)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rate", type=float, default=5e-5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--group", action="store_true")
    parser.add_argument("--bf16", action="store_true")
    return parser.parse_args()


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def encode(rows: list[dict[str, Any]], tokenizer: Any, labels: list[str]) -> list[dict[str, Any]]:
    number = {name: i for i, name in enumerate(labels)}
    tokens = tokenizer([r["text"] for r in rows], truncation=True, max_length=512)
    return [{k: v[i] for k, v in tokens.items()} | {"labels": number[str(r["label"])]} for i, r in enumerate(rows)]


def arguments(o: argparse.Namespace, folder: str, rows: int) -> TrainingArguments:
    extra: dict[str, Any] = {"train_sampling_strategy": "group_by_length"} if o.group else {}
    return TrainingArguments(
        folder, num_train_epochs=o.epochs, per_device_train_batch_size=o.batch, per_device_eval_batch_size=64,
        learning_rate=o.rate, warmup_steps=int(o.epochs * rows / o.batch) // 10, report_to="none", save_strategy="no",
        logging_steps=10**9, use_cpu=True, disable_tqdm=True, seed=o.seed, bf16=o.bf16, **extra)


if __name__ == "__main__":
    main()
