"""Runs `simulate_mtn` without the house around it, as receive.py does its receiver."""

from __future__ import annotations

import sys

from engine.rails.management.commands.simulate_mtn import Command

if __name__ == "__main__":
    Command().run_from_argv(["manage.py", "simulate_mtn", *sys.argv[1:]])
