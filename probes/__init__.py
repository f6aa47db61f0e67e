"""One file per thing observed."""
