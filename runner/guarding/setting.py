"""A setting of the kernel's, such as a limit of a cgroup."""

from __future__ import annotations

import contextlib
from pathlib import Path

from runner.guarding.ground import Kind, text


class Setting(Kind):
    """Writes a setting of the kernel's, and writes back what was there."""

    before = 0

    def begin(self) -> None:
        self.before = self._used()
        self._write(self.told["during"])

    def _write(self, value: str) -> None:
        Path(self.told["file"]).write_text(value)

    def end(self) -> None:
        with contextlib.suppress(FileNotFoundError):  # the cgroup went, and its setting with it
            self._write(self.told["after"])

    def acts(self) -> bool:
        return self.told["shown"] in text(self.told["file"])

    def hits(self) -> int:
        return max(0, self._used() - self.before)

    def _used(self) -> int:
        """Return the reads and writes of the cgroup at that device."""
        line = next((line for line in text(self.told["used"]).splitlines() if line.startswith(self.told["device"])), "")
        counts = dict(word.split("=") for word in line.split()[1:])
        return int(counts.get("rios", 0)) + int(counts.get("wios", 0))
