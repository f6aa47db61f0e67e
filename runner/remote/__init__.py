"""Working where a target is: a small agent there, and the connection to it."""
