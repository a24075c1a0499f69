"""What is pending where, and bringing it there."""
