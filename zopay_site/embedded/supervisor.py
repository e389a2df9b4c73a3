"""Keeps programs running: starts them in order, again when they die, ends them in reverse."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from zopay_site.embedded import children, say
from zopay_site.embedded.say import Stop

if TYPE_CHECKING:
    from collections.abc import Callable

    from zopay_site.embedded.children import Child

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
# Who lived this long is healthy: its next death starts with the first pause again.
HEALTHY_SECONDS = 60.0
LOOK_SECONDS = 0.25


@dataclass
class Service:
    """One program: how it starts, and how it has fared."""

    name: str
    start: Callable[[], Child]
    child: Child
    patience: float
    started: float = field(default_factory=time.monotonic)
    pause: float = FIRST_PAUSE_SECONDS
    due: float | None = None


class Supervisor:
    """Runs services for one terminal. Not for threads: children end with their thread."""

    def __init__(self) -> None:
        self.services: list[Service] = []

    def add(self, name: str, start: Callable[[], Child], *, patience: float = 10.0) -> Child:
        """Start a service; it ends before everything that was added earlier."""
        child = start()
        self.services.append(Service(name, start, child, patience))
        return child

    def watch(self) -> None:
        """Look after them until a signal raises something."""
        while True:
            self.look()
            time.sleep(LOOK_SECONDS)

    def look(self) -> None:
        """Notice who died, and start again whoever has waited long enough."""
        now = time.monotonic()
        for service in self.services:
            if service.due is None and not service.child.is_alive:
                self._mourn(service, now)
            if service.due is not None and now >= service.due:
                self._revive(service)

    def dead(self) -> Service | None:
        """Somebody who is not running now."""
        return next((each for each in self.services if not each.child.is_alive), None)

    def stop(self) -> None:
        """End everyone, the last one added first. Leaves no orphan."""
        for service in reversed(self.services):
            service.child.stop(patience=service.patience)
        self.services.clear()

    def _mourn(self, service: Service, now: float) -> None:
        if now - service.started > HEALTHY_SECONDS:
            service.pause = FIRST_PAUSE_SECONDS
        # First those it left behind: a web worker without its parent holds the port.
        children.kill_session(service.child.pid)
        how = service.child.ending
        service.child.kill()
        service.due = now + service.pause
        say.VOICE.line(
            f"  {service.name} died ({how}); it starts again in {service.pause:g} s. "
            f"See {service.child.home / 'logs' / service.child.name}.log"
        )
        service.pause = min(service.pause * 2, LONGEST_PAUSE_SECONDS)

    def _revive(self, service: Service) -> None:
        try:
            service.child = service.start()
        except Stop as stop:
            service.due = time.monotonic() + service.pause
            service.pause = min(service.pause * 2, LONGEST_PAUSE_SECONDS)
            say.VOICE.line(f"  {service.name} does not start: {stop.sentence}")
            return
        service.started = time.monotonic()
        service.due = None
        say.VOICE.line(f"  {service.name} runs again.")
