"""Everything that has to be known and true before the first write."""
