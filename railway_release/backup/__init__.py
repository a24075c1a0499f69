"""Backups before the first write, and bringing schemas back from them."""
