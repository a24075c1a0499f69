"""Why something is wrong: causes with what was seen, what that means and what fixes it. It writes nothing."""
