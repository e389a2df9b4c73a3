"""Where the tests of local chains get their anvil."""

import pytest

from zopay_site.embedded import anvil


@pytest.fixture(scope="session")
def program():
    """anvil, as bin/up finds or fetches it."""
    try:
        return anvil.find_or_fetch()
    except anvil.NoAnvil as none:
        pytest.skip(f"no local chains here: {none}")
