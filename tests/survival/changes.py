"""What a worker of a test may have changed in it: one harder world, and broken engines."""

from uuid import uuid4

from engine.rails import simulated


def names_nobody_can_guess():
    """References that cannot be computed a second time, as a signature's cannot.

    The simulated rail's own come out the same again, and so would hide an engine that
    forgets which one it used.
    """
    simulated._reference = lambda _order, _family: f"0x{uuid4().hex}{uuid4().hex}"
