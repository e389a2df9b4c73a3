#!/usr/bin/env python
"""Django's own command line. `bin/manage` runs it against the embedded servers."""

import os
import sys

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "zopay_site.settings")
    execute_from_command_line(sys.argv)
