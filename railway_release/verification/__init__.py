"""Whether every schema holds what its migrations, and the user, say it holds."""
