"""One module for each command, and what they share."""
