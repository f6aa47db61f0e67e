"""`python -m bench [NAME...]`: run the benchmarks named, or all."""

import sys
from importlib import import_module
from pkgutil import iter_modules

import bench


def main() -> None:
    """Run benchmarks one after the other."""
    known = [found.name for found in iter_modules(bench.__path__) if not found.name.startswith("_")]
    for name in sys.argv[1:] or known:
        module = import_module(f"bench.{name}")
        print(f"\n{name}: {(module.__doc__ or '').splitlines()[0]}\n")
        module.main()


main()
