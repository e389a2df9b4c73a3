"""Named lines at which a worker can be told to die, from outside, while it runs.

A file ``<point>.<moment>.<what>`` in the folder KILL_POINTS is one death: `moment` is
before or after, `what` is child (the pool's child that runs the step) or worker (all of
its programs at once, as a power cut would). Whoever renames the file away dies of it.
"""

import os
import signal
from functools import wraps
from pathlib import Path

from engine.payouts import float_batches, sending, services, sweeps, watching
from engine.payouts.states import Status
from engine.rails.simulated import SimulatedRail

# Point: where the step is looked up when it is called, and the edge it must be for.
POINTS = {
    "lease": (sweeps, "lease"),
    "prepare_due": (sending, "prepare_due"),
    "open_attempts": (sending, "open_attempts"),
    "sending": (services, "advance", Status.SENDING),
    "submit": (SimulatedRail, "submit"),
    "submit_evidence": (sending, "note_evidence"),
    "look_up": (SimulatedRail, "look_up"),
    "look_up_evidence": (watching, "note_evidence"),
    "broadcast": (services, "advance", Status.BROADCAST),
    "note_leg": (services, "note_leg"),
    "rows_before_books": (services, "_advance_rows"),
    "books": (services, "move_many"),
    "begin_next_leg": (services, "begin_next_leg"),
    "delivered": (services, "advance", Status.DELIVERED),
    "return_from_bridge": (services, "return_from_bridge"),
    "failed": (services, "advance", Status.FAILED),
    "close_attempts": (watching, "close_attempts"),
    "close": (watching, "_close"),
    "reschedule": (services, "reschedule"),
}
# The same for those who make payouts of a file, where no payout's life comes by.
FILE_POINTS = {"pay_rows": (float_batches, "pay_rows")}
STRUCK = ".struck"


def install():
    """Make every point deadly. Nothing happens at one for which no file lies ready."""
    folder = Path(os.environ["KILL_POINTS"])
    for name, (owner, attribute, *edge) in (POINTS | FILE_POINTS).items():
        setattr(owner, attribute, _deadly(getattr(owner, attribute), folder, name, edge))


def _deadly(step, folder, name, edge):
    @wraps(step)
    def mortal(*args, **kwargs):
        is_it = not edge or args[0] == edge[0]
        if is_it and _has_work(args, kwargs):
            _strike(folder, f"{name}.before")
        result = step(*args, **kwargs)
        if is_it and (_has_work(args, kwargs) if args or kwargs else result):
            _strike(folder, f"{name}.after")
        return result

    return mortal


def _has_work(args, kwargs):
    """A step over an empty list is no step. One without arguments searches for work."""
    lists = [each for each in (*args, *kwargs.values()) if isinstance(each, list | dict)]
    return any(lists) if args or kwargs else True


def _strike(folder, start):
    for path in sorted(folder.glob(f"{start}.*")):
        if path.suffix == STRUCK:
            continue
        try:
            path.rename(path.with_name(path.name + STRUCK))
        except FileNotFoundError:
            continue
        if path.suffix == ".worker":
            os.killpg(0, signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)
