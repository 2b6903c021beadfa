"""How a report writes numbers: the one place, for templates (as filters), charts and captions."""

from __future__ import annotations

import math

MISSING = "\N{EN DASH}"
_THIN = "\N{NARROW NO-BREAK SPACE}"


def number(value: float | None) -> str:
    """Four significant digits (`0.9123`, `1.2e-5`), integers in full with thin spaces, a dash for None and NaN."""
    if value is None or math.isnan(value):
        return MISSING
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{int(value):,}".replace(",", _THIN)
    if 1e4 <= abs(value) < 1e15:
        return number(round(value))
    mantissa, _, exponent = f"{value:.4g}".partition("e")
    return f"{mantissa}e{int(exponent)}" if exponent else mantissa


def figure(value: float) -> str:
    """A result with four decimals, so that a column of them lines up; one far from 1 as `number` writes it."""
    return f"{value:.4f}" if value == 0 or 1e-3 <= abs(value) < 1e3 else number(value)


def share(value: float) -> str:
    """A figure between 0 and 1 with three decimals, so that a column of them lines up."""
    return MISSING if math.isnan(value) else f"{value:.3f}"


def percent(value: float) -> str:
    """`0.934` as `93.4 %`; whole above 99.95 and at 0 only where it is so exactly, never by rounding."""
    if math.isnan(value):
        return MISSING
    if value in (0.0, 1.0):
        return f"{value:.0%}"[:-1] + _THIN + "%"
    return f"{min(max(100 * value, 0.1), 99.9):.1f}{_THIN}%"


def duration(seconds: float) -> str:
    """Seconds as people say them: `8.3 s`, `4 min 10 s`, `2 h 5 min`."""
    if seconds < 60:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def tick(value: float, step: float) -> str:
    """An axis label with as many decimals as ticks `step` apart need, the same for all of them."""
    if step < 1e-4 or step >= 1e3:
        return number(float(f"{value:.6g}"))
    decimals = next(count for count in range(7) if math.isclose(round(step, count), step, rel_tol=1e-6))
    return f"{value:.{decimals}f}"
