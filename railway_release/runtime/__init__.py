"""The process that we run in: its log, its signals, its platform, and what text may show."""
