"""Figures as words: counts, seconds, speeds, dollars."""

from __future__ import annotations

import math


def count(value: int) -> str:
    """A count, its thousands apart.

    Example:
        >>> count(1240)
        '1 240'
    """
    return f"{value:,}".replace(",", " ")


def short(value: float) -> str:
    """A speed: to one place where it is small."""
    return count(round(value)) if value >= 10 else f"{value:.1f}"


def seconds(value: float) -> str:
    """A time.

    Example:
        >>> seconds(0.872)
        '0.87 s'
    """
    return f"{value:.2f} s" if value < 10 else f"{value:.1f} s"


def dollars(value: float) -> str:
    """A price to two figures, or to the cent: what a call costs is mostly far below it.

    Example:
        >>> dollars(0.000523), dollars(1240.5)
        ('$0.00052', '$1 240.50')
    """
    if value >= 1:
        return f"${value:,.2f}".replace(",", " ")
    if value < 1e-7:
        return "$0" if value == 0 else "<$0.0000001"
    return f"${value:.{1 - math.floor(math.log10(value))}f}"
