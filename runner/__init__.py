"""What the runner does: commands, the Chaos Toolkit control, targets, the ledger and guardrails."""
