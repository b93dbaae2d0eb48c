"""The command line: `weitiao tune reviews.csv`. Parses, calls a stage, leaves printing to `weitiao.screen`.

>>> main(["recipe", "check", "recipe.toml"])
0

Exit codes: 0 well; 2 wrong settings or command line; 3 to 7 as in core/errors.py; 70 a bug of ours; 75 stopped by
SIGTERM or SIGUSR1 with everything saved; 130 by Ctrl-C.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from weitiao.core import i18n


def main(args: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    given = list(sys.argv[1:] if args is None else args)
    # Before anything else is imported: the help texts are written in the language that is set now.
    i18n.use(_language(given))
    from weitiao.cli.guard import guarded

    return guarded(given)


def _language(args: Sequence[str]) -> i18n.Language | None:
    """What `--lang` says; a wrong value is left for the parser to refuse."""
    for i, word in enumerate(args):
        name, _, value = word.partition("=")
        if name == "--lang":
            value = value or next(iter(args[i + 1 :]), "")
            return "zh" if value == "zh" else "en" if value == "en" else None
    return None
