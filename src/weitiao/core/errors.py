"""One tree of errors. Each says which, what was got, what is allowed, where, and what to do next.

>>> raise DataError("data.empty_file", "the file has no rows", expected="at least 2 labelled rows",
...                 fix="check that the export finished", where="reviews.csv")
"""

from __future__ import annotations

from weitiao.core.i18n import t


class WeitiaoError(Exception):
    """Base of every error that a user can act on.

    Args:
        code: stable and lower case, `area.name`; programs match on it, docs/errors.md lists it.
        what: what was found, in the user's language (see `core.i18n.t`).
        expected: what is accepted instead.
        fix: what to do next.
        where: `file:line:field` as far as it is known.
    """

    exit_code = 1

    def __init__(self, code: str, what: str, *, expected: str = "", fix: str = "", where: str = "") -> None:
        super().__init__(code, what)
        self.code, self.what, self.expected, self.fix, self.where = code, what, expected, fix, where

    def __str__(self) -> str:
        lines = [f"[{self.code}] " + (f"{self.where}: " if self.where else "") + self.what]
        if self.expected:
            lines.append(t("  expected: {x}", "  应为：{x}", x=self.expected))
        if self.fix:
            lines.append(t("  to do: {x}", "  请：{x}", x=self.fix))
        return "\n".join(lines)

    def as_dict(self) -> dict[str, str]:
        """The same facts for programs (`--json`)."""
        return {k: getattr(self, k) for k in ("code", "what", "expected", "fix", "where")}


class RecipeError(WeitiaoError):
    """The settings are wrong: an unknown key, a value out of range, two that exclude each other."""

    exit_code = 2


class DataError(WeitiaoError):
    """The user's data cannot be used as it is."""

    exit_code = 3


class ModelError(WeitiaoError):
    """The base model cannot be found, read or fitted with the head that the task needs."""

    exit_code = 4


class RunError(WeitiaoError):
    """A run directory, a checkpoint or a bundle is missing, damaged, locked or does not fit the request."""

    exit_code = 5


class TrainingError(WeitiaoError):
    """Training cannot go on: a non-finite loss, no memory."""

    exit_code = 6


class MissingExtra(WeitiaoError):
    """An optional library is needed and not installed."""

    exit_code = 7

    def __init__(self, library: str, extra: str, what_for: str) -> None:
        super().__init__(
            "install.missing_extra",
            t("{w} needs the library {l}", "{w} 需要安装 {l}", w=what_for, l=library),
            fix=f'pip install "weitiao[{extra}]"',
        )


class RowError(Exception):
    """One row is bad; the reader turns it into a line of rejected.jsonl. Never reaches the user as a traceback.

    Args:
        field: the column, or "" where the whole row is meant.
        reason: in the user's language.
        code: `row.name`, counted in the data report.
    """

    def __init__(self, code: str, field: str, reason: str) -> None:
        super().__init__(code, field, reason)
        self.code, self.field, self.reason = code, field, reason
