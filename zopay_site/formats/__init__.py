"""How moments are written where a page does not say it, as in the admin."""
