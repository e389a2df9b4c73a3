"""bin/bench: measures the product beside what PostgreSQL alone could do."""

from __future__ import annotations

import sys

from bench.command import main
from zopay_site.embedded import say

if __name__ == "__main__":
    say.run(main, sys.argv[1:])
