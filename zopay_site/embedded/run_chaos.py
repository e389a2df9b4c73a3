"""bin/chaos: breaks a house of its own and counts. See docs/chaos.md."""

from __future__ import annotations

import sys

from zopay_site.chaos.command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
