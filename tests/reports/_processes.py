"""Other Python processes that do something with reports at the same moment."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_WAIT = "import sys; print('ready', flush=True); sys.stdin.readline()\n"


@contextmanager
def processes(code: str, arguments: list[str]) -> Iterator[list[subprocess.Popen[str]]]:
    """Yield one process for each argument, all ready to run `code`, which finds its argument in sys.argv[1].

    `code` may have a line `# go`: what stands above it is done before they are ready.
    """
    before, _, after = code.rpartition("# go\n")
    argv = [sys.executable, "-c", before + _WAIT + after]
    started = [
        subprocess.Popen([*argv, each], cwd=_ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for each in arguments
    ]
    try:
        for process in started:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        yield started
    finally:
        for process in started:
            process.kill()
            process.communicate()


def go(started: list[subprocess.Popen[str]]) -> None:
    """Let them all run at once."""
    for process in started:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()


def results(started: list[subprocess.Popen[str]]) -> list[str]:
    """Return what each printed; every one must have ended well."""
    printed = [process.communicate()[0].strip() for process in started]
    assert [process.returncode for process in started] == [0] * len(started)
    return printed


def run(code: str, *arguments: str) -> str:
    """Return what one such process printed."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=_ROOT, text=True, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
