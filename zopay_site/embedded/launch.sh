#!/bin/sh
# Finds Python 3.11 or newer and hands over to zopay_site/embedded/install.py.
# Usage: launch.sh up|test|manage|check [arguments]
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
cd -- "$root"
# Somebody else's module path has no business in here.
unset PYTHONPATH PYTHONHOME PYTHONSAFEPATH

for python in "$root/.venv/bin/python" python3 python3.14 python3.13 python3.12 python3.11; do
    if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        exec "$python" -m zopay_site.embedded.install "$@"
    fi
done

echo "Zopay needs Python 3.11 or newer, and none was found." >&2
echo "Next: install it (Debian 12, Ubuntu 24.04 or newer: apt-get install python3 python3-venv), then run bin/$1 again." >&2
exit 1
