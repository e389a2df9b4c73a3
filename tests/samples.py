"""Running what the documents tell partners to run."""

import os
import shutil
import subprocess

import pytest


def run_sample(command, text, **environment):
    """What a program prints; `command` takes its text as the last word."""
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed here: the sample was not run")
    return subprocess.run(
        [*command, text],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env=os.environ | environment,
    ).stdout.strip()
