"""How a message is signed and when it is tried again, one file for each dialect."""
