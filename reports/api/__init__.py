"""The ingestion API: runs come in over HTTP, are judged here, and are read back; docs/api.md describes it."""
