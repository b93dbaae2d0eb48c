"""The peer: `model.generate()` on rows with "source", with a saved chat model. Runs in .peers/, knows nothing of ours.

    python hf_generate.py MODEL_FOLDER ROWS.jsonl OUT.jsonl [--batch 16] [--bf16]

A loop over rows, or batches of them as they stand in the file, padded on the left. How answers are made (greedy, at
most so many tokens) stands in the folder's generation_config.json. Writes {"text": …} a row, prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import torch
import transformers
from transformers import AutoModelForCausalLM, AutoTokenizer


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("rows", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--bf16", action="store_true")
    o, start = parser.parse_args(), time.perf_counter()
    transformers.logging.set_verbosity_error()
    tokenizer = AutoTokenizer.from_pretrained(o.model, padding_side="left")
    model = AutoModelForCausalLM.from_pretrained(o.model, dtype=torch.bfloat16 if o.bf16 else torch.float32).eval()
    chats = [[{"role": "user", "content": json.loads(line)["source"]}]
             for line in o.rows.read_text(encoding="utf-8").split("\n") if line]
    ready, texts, tokens = time.perf_counter(), [], 0
    for at in range(0, len(chats), o.batch):
        inputs = tokenizer.apply_chat_template(chats[at : at + o.batch], add_generation_prompt=True, padding=True,
                                               return_tensors="pt", return_dict=True)
        new = model.generate(**inputs)[:, inputs["input_ids"].shape[1] :]
        tokens += int((new != tokenizer.pad_token_id).sum())
        texts += [text.strip() for text in tokenizer.batch_decode(new, skip_special_tokens=True)]
    done = time.perf_counter()
    o.out.write_text("".join(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in texts),
                     encoding="utf-8")
    print(json.dumps({"load_s": ready - start, "generate_s": done - ready, "rows": len(texts), "tokens": tokens,
                      "most": model.generation_config.max_new_tokens}))


if __name__ == "__main__":
    main()
