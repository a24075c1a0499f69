"""PostgreSQL without Django: plain SQL, with whichever driver the project uses."""
