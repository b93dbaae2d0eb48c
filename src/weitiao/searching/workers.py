"""Several processes of this machine that work on one search: this one and further ones that are started here.

>>> with workers(run.folder, 2, print):
...     work(run, recipe, print, began)

Each takes trials for itself from the journal that they share; nothing is handed out. So one that dies costs its trial
some time and no more: whoever is free next goes on with it from its last checkpoint.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from weitiao.core.children import Child
from weitiao.core.i18n import t
from weitiao.events import Event, Note


@contextmanager
def workers(folder: Path, count: int, on_event: Callable[[Event], None]) -> Iterator[None]:
    """`count` processes in all on the search in that folder; the processor's threads are shared out among them."""
    if count == 1:
        yield
        return
    import torch

    threads = torch.get_num_threads()
    each = max(1, threads // count)
    torch.set_num_threads(each)
    command = [sys.executable, "-m", "weitiao", "search", "--resume", str(folder), "--quiet"]
    others = [Child(command, {**os.environ, "OMP_NUM_THREADS": str(each)}) for _ in range(count - 1)]
    on_event(Note(t("{n} processes search, with {k} threads each", "{n} 个进程同时搜索，每个 {k} 线程", n=count,
                    k=each)))
    try:
        yield
        for number, other in enumerate(others, 2):
            if fate := other.fate():
                on_event(Note(t("process {n} of the search ended early ({f}); the others went on with its trial",
                                "搜索的第 {n} 个进程提前结束（{f}），其试验由其他进程继续", n=number, f=fate)))
    finally:
        for other in others:
            other.end()
        torch.set_num_threads(threads)
