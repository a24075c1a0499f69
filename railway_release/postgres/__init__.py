"""PostgreSQL without Django: plain SQL over whichever driver the project uses."""
