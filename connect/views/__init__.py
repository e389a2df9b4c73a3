"""The endpoints of Connect, a file for each kind of thing they are about."""
