"""Figures as people read them, shared by reasons and reports."""

__all__ = ["after_start", "counted", "listed", "percent", "printable"]


def counted(number: float, noun: str) -> str:
    """Return `1 sample`, `12 samples` or `4,210 events`."""
    return f"{number:,.0f} {noun}{'' if number == 1 else 's'}"


def percent(share: float) -> str:
    """Return a share as a percentage with the digits that matter: `0.29%`, `7.8%`, `100%`."""
    return f"{share * 100:.2g}%" if share < 0.995 else f"{share * 100:.0f}%"


def listed(names: list[str], most: int = 3) -> str:
    """Return `a, b, c and 4 more`."""
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest


def after_start(moment: float, start: float) -> str:
    """Return a moment relative to the start of a run, in seconds: `+12.1s`."""
    return f"{moment - start:+,.1f}s"


def printable(text: str) -> str:
    """Return a text in one line that no terminal obeys: what cannot be seen stands as its escape, such as `\\x1b`."""
    return text if text.isprintable() else "".join(map(_shown, text))


def _shown(letter: str) -> str:
    if letter.isprintable():
        return letter
    return " " if letter.isspace() else letter.encode("unicode_escape").decode()
