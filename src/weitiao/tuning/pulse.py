"""Which rank is lost: each says twice a second that it lives and how far it has come, and hears the others.

>>> pulse = Pulse(store, rank=0, hosts=["gpu03", "gpu04"])
>>> pulse.passed += 1                     # this rank enters its next collective
>>> pulse.lost(waited=600)                # after one has failed, on every rank that is left
Lost(rank=1, host='gpu04', why='it gives no sign of life')

A collective that fails says neither who is missing nor why, and when one rank ends, so do the others, one after the
other. So the first that finds out tells all, and whoever ends by an error of its own says so. The words go through the
store where the ranks met, which lives in rank 0 or in torchrun's agent; where it cannot be reached, that host is lost.
A pulse never ends a job: it only names who did.
"""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass
from typing import Any

from weitiao.core.i18n import t

_TICK = 0.5  # seconds
_SILENT = 4.0  # seconds without a sign after which a rank counts as gone
_WORD = "lost"


@dataclass(frozen=True, slots=True)
class Lost:
    """The rank that is lost, where it ran, and what is known of it."""

    rank: int
    host: str
    why: str


class Pulse:
    """This rank's sign of life and what it hears of the others. `passed` counts the collectives that it has entered.

    Args:
        store: a `torch.distributed.Store` that all ranks share; used by this object's thread alone.
        rank: this one.
        hosts: every rank's, by rank.
    """

    def __init__(self, store: Any, rank: int, hosts: list[str]) -> None:
        self.rank, self.hosts, self.passed = rank, hosts, 0
        self._store, self._word, self._say = store, "", ""
        self._heard = time.monotonic()  # when the store last answered
        self._signs = {r: ("", self._heard) for r in range(len(hosts)) if r != rank}  # what each said, and since when
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True, name="weitiao-pulse")
        self._thread.start()

    def lost(self, waited: float) -> Lost | None:
        """Who is, now that a collective has failed after at most `waited` seconds; None where all seem to be well."""
        until = time.monotonic() + _SILENT + 3 * _TICK
        while not self._word and time.monotonic() < until:
            if found := self._silent():
                return self._tell(found)
            time.sleep(_TICK / 5)
        if self._word:
            return Lost(**json.loads(self._word))
        behind = [r for r, (said, _) in self._signs.items() if int(said.partition(" ")[2] or 0) < self.passed]
        why = t("it lives, but has not come this far within {s:g} s", "它仍在运行，但 {s:g} 秒内没有到达此处", s=waited)
        return self._tell(Lost(behind[0], self.hosts[behind[0]], why)) if behind else None

    def failed(self, why: str) -> None:
        """This rank ends by an error of its own: tell the others."""
        self._tell(Lost(self.rank, self.hosts[self.rank], why))

    def close(self) -> None:
        """Fall silent; what was said has been heard by then."""
        if self._say:
            time.sleep(4 * _TICK)
        self._end.set()
        self._thread.join(_TICK * 2)  # it stays behind where the store's host does not answer

    def _silent(self) -> Lost | None:
        now, why = time.monotonic(), t("it gives no sign of life", "它没有任何响应")
        if now - self._heard > _SILENT:  # whoever keeps the store: rank 0 or the agent on its host
            return Lost(0, self.hosts[0], why)
        gone = [r for r, (_, since) in self._signs.items() if now - since > _SILENT]
        return Lost(gone[0], self.hosts[gone[0]], why) if gone else None

    def _tell(self, found: Lost) -> Lost:
        self._say = json.dumps({"rank": found.rank, "host": found.host, "why": found.why})
        return found

    def _beat(self) -> None:
        number = 0
        while not self._end.is_set():
            try:
                self._exchange(number)
            except RuntimeError:  # the store is gone: `_heard` gets old
                return
            number += 1
            self._end.wait(_TICK)

    def _exchange(self, number: int) -> None:
        self._store.set(f"pulse/{self.rank}", f"{number} {self.passed}")
        if self._say and not self._store.check([_WORD]):
            self._store.set(_WORD, self._say)
        if not self._word and self._store.check([_WORD]):
            self._word = self._store.get(_WORD).decode()
        for rank, (said, _) in self._signs.items():
            key = f"pulse/{rank}"
            now = self._store.get(key).decode() if self._store.check([key]) else ""
            if now != said:
                self._signs[rank] = (now, time.monotonic())
        self._heard = time.monotonic()
