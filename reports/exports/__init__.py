"""What other programs and people read: one file per format, each a pure function of records or scores."""
