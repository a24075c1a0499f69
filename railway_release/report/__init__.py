"""What a command has found and done, as JSON and in words."""
