"""What is found out and checked before the first write: project, database and server."""
