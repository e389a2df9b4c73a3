"""bin/up: installs nothing, starts everything, sends one payout and shows where to look."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zopay_site.embedded import (
    anvil,
    children,
    environment,
    first_payout,
    home,
    mtn,
    ports,
    say,
    secrets_file,
    services,
    welcome,
)
from zopay_site.embedded.anvil import NoAnvil
from zopay_site.embedded.environment import RPC_URLS, Servers
from zopay_site.embedded.say import STOPPED, Stop, step
from zopay_site.embedded.supervisor import Supervisor

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zopay_site.embedded.say import Step

USAGE = """bin/up [--fresh]

Starts PostgreSQL, Valkey, the web server, a worker and its clock, sends one demo
payout and prints where to look. Ctrl-C ends everything. State stays in .zopay.

  --fresh   forget all state and start over

  ZOPAY_PORT=8001 bin/up        another port for the web server
  ZOPAY_HOME=/some/where bin/up another place for the state
  DATABASE_URL, REDIS_URL       servers of your own instead of the embedded ones
  RPC_URL_ETHEREUM, …           nodes of your own instead of local chains
  ZOPAY_ANVIL_BIN=/some/anvil   the program that runs local chains"""


def main(arguments: list[str]) -> int:
    """Run the house until Ctrl-C or SIGTERM."""
    if {"-h", "--help"} & set(arguments):
        print(USAGE)
        return 0
    if set(arguments) - {"--fresh"}:
        print(USAGE, file=sys.stderr)
        return 2
    place = home.make(home.place())
    port = ports.web_port()
    lock = home.take_for_up(place)
    supervisor = Supervisor()
    _end_on_signals()
    try:
        _clear_up(place, fresh="--fresh" in arguments)
        ports.refuse_if_taken(port)
        ports.remember(place, "web", port)
        _start(supervisor, place, port)
        supervisor.watch()
    except KeyboardInterrupt:
        say.VOICE.line()
    finally:
        _deaf_to_signals()
        _stop(supervisor, place)
        lock.release()
    return 0


def _clear_up(place: Path, *, fresh: bool) -> None:
    """End what a bin/up that was killed left behind, and with --fresh forget its state."""
    left = children.stop_leftovers(place)
    if left:
        say.VOICE.line(f"  Ended what the last bin/up left running: {', '.join(left)}.")
    if fresh:
        home.empty(place)


def _start(supervisor: Supervisor, place: Path, port: int) -> None:
    say.VOICE.line("Starting Zopay.")
    servers = Servers(place)
    _start_servers(supervisor, servers)
    _start_chains(supervisor, servers)
    ours = environment.for_children(servers, web_port=port)
    ours.setdefault("DEMO_WEBHOOK_URL", services.receiver_url(place))
    environment.keep_running(place, ours)
    operator = mtn.add_operator(supervisor, home=place, environment=ours)
    with step("Tables and demo") as shown:
        demo = _prepare(place, ours, shown, operator=operator)
        shown.note = f"{len(demo['partners'])} partners with funded users"
    if servers.chains:
        # The first time, it was only just made.
        ours = environment.deposit_xpub(place) | ours
        environment.keep_running(place, ours)
    base = f"http://{ports.LOOPBACK}:{port}"
    with step("Web, workers, beat") as shown:
        shown.note = f"{ports.LOOPBACK}:{port}"
        services.add_receiver(supervisor, home=place, environment=ours, demo=demo)
        services.add_all(supervisor, home=place, environment=ours, port=port)
        services.wait_until_ready(supervisor, home=place, base=base, step=shown)
    payout = None
    try:
        with step("First payout") as shown:
            payout = first_payout.send(demo, base=base)
            shown.note = f"{payout['quote']['user_sends']} {payout['id'][:12]}…"
    except Stop as refused:
        # Everything runs; a demo user without funds is no reason to take it down.
        say.VOICE.line(f"  The first payout was not sent. {refused.sentence}")
    shown_at = ours.get("ZOPAY_PUBLIC_URL") or base
    networks = [name for name, variable in RPC_URLS.items() if variable in ours]
    say.VOICE.line(welcome.text(demo, payout, base=shown_at, home=place, networks=networks))


def _start_servers(supervisor: Supervisor, servers: Servers) -> None:
    """PostgreSQL and Valkey, unless the environment names others."""
    for name, start, is_ours in (
        ("postgres", servers.start_postgres, servers.needs_postgres),
        ("valkey", servers.start_valkey, servers.needs_valkey),
    ):
        with step(name.capitalize()) as shown:
            shown.note = "from the environment"
            if is_ours:
                supervisor.add(name, start)
                shown.note = f"{ports.LOOPBACK}:{ports.recall(servers.home, name)}"


def _start_chains(supervisor: Supervisor, servers: Servers) -> None:
    """Local EVM chains, if anvil can be had; without them live keys settle as before."""
    wanted = servers.needs_chains
    notes = [f"{name} from the environment" for name in RPC_URLS if name not in wanted]
    try:
        with step("EVM chains") as shown:
            program = anvil.find_or_fetch(tick=shown.tick) if wanted else Path()
            for name in wanted:
                supervisor.add(name, partial(servers.start_chain, name, program))
                notes.append(f"{name} :{servers.chains[name].port}")
            shown.note = ", ".join(notes)
    except NoAnvil as none:
        say.VOICE.line(
            f"  {'EVM chains':<{say.WIDTH}}none: {none}. Live keys settle on the simulated "
            "rail; ZOPAY_ANVIL_BIN=/some/anvil brings chains."
        )


def _prepare(
    place: Path, ours: Mapping[str, str], shown: Step, *, operator: str
) -> dict[str, Any]:
    """Run prepare.py and keep the demo that it prints; its complaints go to the logs."""
    log = place / "logs" / "prepare.log"
    with log.open("w") as complaints:
        child = subprocess.Popen(
            [sys.executable, "-m", "zopay_site.embedded.prepare", operator],
            cwd=home.ROOT,
            env=ours,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=complaints,
            text=True,
            start_new_session=True,
        )
        try:
            printed = _what_it_prints(child, shown)
        except BaseException:
            child.kill()
            child.wait()
            raise
    if child.returncode == STOPPED:
        sentence, then = json.loads(printed)
        raise Stop(sentence, then=then)
    if child.returncode != 0:
        raise Stop(
            f"The tables or the demo could not be made:{say.last_lines(log)}",
            then=f"see {log}; bin/up --fresh starts over, without the data",
        )
    demo: dict[str, Any] = json.loads(printed)
    secrets_file.write_private(place / "demo.json", json.dumps(demo, indent=2) + "\n")
    return demo


def _what_it_prints(child: subprocess.Popen[str], shown: Step) -> str:
    while True:
        try:
            return child.communicate(timeout=0.2)[0]
        except subprocess.TimeoutExpired:
            shown.tick()


def _end_on_signals() -> None:
    def end(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, end)
    signal.signal(signal.SIGTERM, end)
    # Under nohup a closed terminal is to be ignored, and stays so.
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, end)


def _deaf_to_signals() -> None:
    """One Ctrl-C is enough: the end is under way, and must not be left half done."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: None)


def _stop(supervisor: Supervisor, place: Path) -> None:
    environment.forget_running(place)
    if not supervisor.services:
        return
    began = time.monotonic()
    names = ", ".join(service.name for service in reversed(supervisor.services))
    say.VOICE.line(f"Ending {names}.")
    supervisor.stop()
    say.VOICE.line(f"All ended in {time.monotonic() - began:.1f} s. bin/up starts them again.")


if __name__ == "__main__":
    say.run(main, sys.argv[1:])
