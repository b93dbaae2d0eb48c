"""The peer: transformers' text-classification pipeline on rows with "text". Runs in .peers/, knows nothing of ours.

    python hf_pipeline.py MODEL_FOLDER ROWS.jsonl OUT.jsonl [--batch 8] [--every 10] [--bf16]

Writes one object a row, label to probability, and prints one JSON object: seconds of loading and of predicting. As it
comes it reads row by row; `--batch` is its own batch_size, which pads the rows of a batch as they stand in the file.
Without truncation=True it fails at the first text of more than 512 tokens.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import torch
import transformers
from transformers import pipeline


def main() -> None:
    o, start = options(), time.perf_counter()
    transformers.logging.set_verbosity_error()
    texts = [json.loads(line)["text"] for line in o.rows.read_text(encoding="utf-8").split("\n") if line][:: o.every]
    pipe = pipeline("text-classification", model=o.model, device="cpu",
                    **({"dtype": torch.bfloat16} if o.bf16 else {}))
    ready = time.perf_counter()
    found = pipe(texts, truncation=True, top_k=None, **({"batch_size": o.batch} if o.batch else {}))
    done = time.perf_counter()
    o.out.write_text("".join(json.dumps({x["label"]: x["score"] for x in row}, ensure_ascii=False) + "\n"
                             for row in found), encoding="utf-8")
    print(json.dumps({"load_s": ready - start, "predict_s": done - ready, "rows": len(texts)}))


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("rows", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--batch", type=int, default=0, help="0: as it comes")
    parser.add_argument("--every", type=int, default=1, help="only every so many-th row")
    parser.add_argument("--bf16", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
