"""Why something is wrong: causes with what was seen, what it means and what mends it. Writes nothing."""
