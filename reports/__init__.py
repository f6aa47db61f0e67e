"""Records, verdicts, scores and the store they are kept in."""
