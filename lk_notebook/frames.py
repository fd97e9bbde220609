"""Rows as a table: a DataFrame where there is pandas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def frame(rows: Sequence[dict[str, Any]], columns: Sequence[str]) -> Any:
    """The rows as a DataFrame, or as they are; pandas is imported only here, where a table was asked for."""
    try:
        import pandas as pd  # noqa: PLC0415 - as above
    except ImportError:
        return list(rows)
    return pd.DataFrame(list(rows), columns=list(columns))
