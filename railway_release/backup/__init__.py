"""The backup hook, called before the first write."""
