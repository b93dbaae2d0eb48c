"""`python -m weitiao`: the command line where its script is not on the path."""

from __future__ import annotations

from weitiao.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
