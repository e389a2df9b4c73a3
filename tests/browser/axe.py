"""axe-core, which knows what people with other senses and hands need of a page.

npm's package is fetched once, held against the digest below, and kept in .venv beside
anvil; nothing of it is shipped.
"""

import base64
import hashlib
import os
import shutil
import subprocess
import tarfile
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

VERSION = "4.14.1"
# `npm view axe-core@4.14.1 dist.integrity`
INTEGRITY = (
    "FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ=="
)
MEMBER = "package/axe.min.js"
KEPT = Path(__file__).parent.parent.parent / ".venv" / "axe" / VERSION / "axe.min.js"
FETCH_SECONDS = 120
QUIETLY = {"npm_config_update_notifier": "false", "npm_config_ignore_scripts": "true"}


@cache
def source():
    """The text of axe.min.js. Skips the test where it cannot be had."""
    if not KEPT.exists():
        _fetch()
    return KEPT.read_text()


def troubles(page):
    """What is wrong with the page as it stands: rule, how bad, and where."""
    # Evaluated, as a debugger's console does: the page's own policy allows no script of ours.
    page.evaluate(source())
    found = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
    return [
        (one["id"], one["impact"], [node["html"] for node in one["nodes"]])
        for one in found["violations"]
    ]


def _fetch():
    if shutil.which("npm") is None:
        pytest.skip("there is no npm to fetch axe-core with")
    KEPT.parent.mkdir(parents=True, exist_ok=True)
    # Beside its final place, so that the last step is a rename: two at once do not meet.
    with TemporaryDirectory(dir=KEPT.parent) as folder:
        packed = subprocess.run(
            ["npm", "pack", "--silent", f"axe-core@{VERSION}"],
            cwd=folder,
            env=os.environ | QUIETLY,
            capture_output=True,
            check=False,
            timeout=FETCH_SECONDS,
        )
        if packed.returncode != 0:
            pytest.skip("npm could not fetch axe-core; it needs the network once")
        (tarball,) = Path(folder).glob("*.tgz")
        digest = base64.b64encode(hashlib.sha512(tarball.read_bytes()).digest()).decode()
        assert digest == INTEGRITY, "the axe-core that npm brought is not the one we know"
        with tarfile.open(tarball, "r:gz") as archive:
            text = archive.extractfile(MEMBER).read()
        script = Path(folder) / "axe.min.js"
        script.write_bytes(text)
        script.replace(KEPT)
