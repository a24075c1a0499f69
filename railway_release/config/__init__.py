"""The options of every command: from flags, environment and Django settings to one checked value."""
