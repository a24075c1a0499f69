"""One module for each row of the table, which says what is compared, and what the bar is."""
