"""Messages in two languages, written beside each other where they are used.

>>> use("zh"); t("{n} rows", "{n} 行", n=3)
'3 行'
"""

from __future__ import annotations

import locale
import os
from contextvars import ContextVar
from typing import Literal, get_args

Language = Literal["en", "zh"]
_language: ContextVar[Language | None] = ContextVar("weitiao_language", default=None)


def use(language: Language | None) -> None:
    """Speak `language` from here on; None means: by WEITIAO_LANG, then by the locale."""
    if language is not None and language not in get_args(Language):
        raise ValueError(f"language must be one of {get_args(Language)}, got {language!r}")
    _language.set(language)


def language() -> Language:
    """The language of messages: what `use` set, else WEITIAO_LANG, else the locale's, else English."""
    chosen = _language.get()
    if chosen is not None:
        return chosen
    # The POSIX order: LC_ALL beats LC_MESSAGES beats LANG.
    names = (os.environ.get(k) for k in ("WEITIAO_LANG", "LC_ALL", "LC_MESSAGES", "LANG"))
    name = next((n for n in names if n), None) or locale.getlocale()[0] or ""
    return "zh" if name.lower().startswith(("zh", "chinese")) else "en"


def t(en: str, zh: str, /, **values: object) -> str:
    """The message in the current language, its {fields} filled from `values`."""
    return (zh if language() == "zh" else en).format(**values)
