"""Bank transfers: files that a bank takes, and files in which it says what became of them."""
