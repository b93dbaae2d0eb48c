"""A model's own chat template, run where it can do no harm: in a process of its own, with limits.

>>> render(template, [{"messages": [{"role": "user", "content": "Hi"}], "add_generation_prompt": True}], {})
['<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n']

A template is a program that came with the weights. jinja2's sandbox keeps it from Python's objects, but not from loops
without end and strings of gigabytes: those end with the process, by a limit of time, of memory (where the system has
one) and of what it may write.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from weitiao.core.children import fate
from weitiao.core.errors import ModelError
from weitiao.core.i18n import t

SECONDS = 20  # to start, and for nothing written yet; each conversation adds a little
_PER_ROW = 0.05
MEMORY = 1 << 30
_WIDEST = 20_000  # characters that a template may add to what stands in the messages, times 20

_CHILD = r"""
import json, sys
try:
    import resource
    resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[1]),) * 2)
except ImportError:
    pass
from jinja2 import TemplateError
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

class Refused(Exception):
    pass

def refuse(message):
    raise Refused(message)

def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

class Learnt(Extension):
    tags = {"generation"}
    def parse(self, parser):
        next(parser.stream)
        return parser.parse_statements(["name:endgeneration"], drop_needle=True)

job = json.load(sys.stdin)
env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[Learnt, loopcontrols])
env.filters["tojson"] = tojson
env.globals["raise_exception"] = refuse
env.globals["strftime_now"] = lambda form: ""
out = []
try:
    template = env.from_string(job["template"])
    for given in job["rows"]:
        room = 20 * (sum(len(m["content"]) for m in given["messages"]) + int(sys.argv[2]))
        parts, size = [], 0
        try:
            for part in template.generate(**job["tokens"], **given):
                size += len(part)
                if size > room:
                    raise Refused("it writes more than %d characters" % room)
                parts.append(part)
            out.append({"text": "".join(parts)})
        except Refused as e:
            out.append({"refused": str(e)})
except (TemplateError, TypeError, ValueError, KeyError, AttributeError, RecursionError, OverflowError) as e:
    out = {"error": "%s: %s" % (type(e).__name__, e)}
except MemoryError:
    out = {"error": "it takes too much memory"}
sys.stdout.write(json.dumps(out))
"""


def render(template: str, rows: Sequence[Mapping[str, Any]], tokens: Mapping[str, str]) -> list[str]:
    """The template's text for each row of variables (`messages`, `add_generation_prompt`, …).

    Args:
        template: jinja2, as in `tokenizer.chat_template`.
        tokens: `bos_token` and the like, for all rows.

    Raises ModelError `model.template_refused`: it fails, refuses a conversation, runs too long, or grows too large.
    """
    found = try_each(template, rows, tokens)
    for one in found:
        if "refused" in one:
            raise refused(one["refused"])
    return [one["text"] for one in found]


def try_each(template: str, rows: Sequence[Mapping[str, Any]], tokens: Mapping[str, str]) -> list[dict[str, str]]:
    """As `render`, but a conversation that the template itself refuses comes back as `{"refused": why}`."""
    job = json.dumps({"template": template, "rows": list(rows), "tokens": dict(tokens)})
    try:
        # The program is our own constant; what came with the model is data on its standard input.
        done = subprocess.run([sys.executable, "-I", "-c", _CHILD, str(MEMORY), str(_WIDEST)],  # noqa: S603
                              input=job.encode(), capture_output=True, timeout=SECONDS + _PER_ROW * len(rows),
                              check=False)
    except subprocess.TimeoutExpired as e:
        raise refused(t("it does not come to an end", "它运行不结束")) from e
    if done.returncode:
        raise refused(fate(done.returncode, done.stderr.decode(errors="replace")))
    found: Any = json.loads(done.stdout)
    if isinstance(found, dict):
        raise refused(found["error"])
    return list(found)


def refused(why: Any) -> ModelError:
    """The error of a template that cannot be used."""
    return ModelError("model.template_refused", t("the model's chat template cannot be used: {e}",
                                                  "模型的对话模板无法使用：{e}", e=why),
                      where="tokenizer.chat_template",
                      fix=t("set task.template=plain to use weitiao's own",
                            "设 task.template=plain 可改用 weitiao 自己的模板"))
