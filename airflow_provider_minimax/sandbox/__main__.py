"""The command: ``python -m airflow_provider_minimax.sandbox``."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from ipaddress import ip_address
from typing import Any

from rich.console import Console
from rich.markup import escape

from airflow_provider_minimax.sandbox.config import SandboxConfig
from airflow_provider_minimax.sandbox.faults import OTHER, PLAIN, Fault, parse_fault
from airflow_provider_minimax.sandbox.routes_media import PILLOW_MISSING
from airflow_provider_minimax.sandbox.server import Sandbox
from airflow_provider_minimax.sandbox.stats import Call

#: Options that are fields of the configuration.
_FIELDS = {
    "images": "images per account",
    "videos": "videos per account",
    "accounts": "configured accounts, 0 to 9",
    "token": "the token to accept",
    "step_seconds": "seconds of each of the four steps of a job",
    "page_cap": "the largest page",
    "seed": "another seed, another history",
}


def _fault_help() -> str:
    kinds = {"/".join(sorted(PLAIN)): "that status, with the service's error object", **OTHER}
    return (
        "faults, written as KIND[@OPERATION[:OPTION=VALUE,...]]:\n"
        + "\n".join(f"  {kind}\n      {description}" for kind, description in kinds.items())
        + "\n\noptions: skip, times (0: without end), retry_after (seconds or date), delay, count, status, location"
        + '\n\nfor example: --fault "429@GET /images/:skip=1,times=2,retry_after=1"'
    )


def _parse_arguments(arguments: Sequence[str] | None) -> dict[str, Any]:
    parser = argparse.ArgumentParser(
        prog="python -m airflow_provider_minimax.sandbox",
        description="A local stand-in for the MiniMax / Hailuo API of useapi.net. It generates and costs nothing.",
        epilog=_fault_help(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--host", type=_loopback, default="127.0.0.1", help="a loopback address (%(default)s)")
    parser.add_argument("--port", type=int, default=8765, help="0 for a free one (%(default)s)")
    for name, description in _FIELDS.items():
        default, option = getattr(SandboxConfig, name), f"--{name.replace('_', '-')}"
        parser.add_argument(option, type=type(default), default=default, help=f"{description} (%(default)s)")
    parser.add_argument("--latency-ms", type=float, default=0.0, help="added to every response (%(default)s)")
    parser.add_argument("--fault", type=_fault, action="append", default=[], help="queue a fault; repeatable")
    parser.add_argument("--quiet", action="store_true", help="do not print the requests")
    return vars(parser.parse_args(arguments))


def _loopback(text: str) -> str:
    """Accept loopback addresses only: the control calls need no token."""
    host = "127.0.0.1" if text == "localhost" else text
    try:
        local = ip_address(host).is_loopback
    except ValueError:
        local = False
    if not local:
        raise argparse.ArgumentTypeError(f"the sandbox listens on loopback only (127.0.0.1 or ::1), not on {text!r}")
    return host


def _fault(text: str) -> Fault:
    try:
        return parse_fault(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _request_printer(console: Console) -> Callable[[Call, float], None]:
    """Return what prints a request: never its headers, so never the token."""

    def show(call: Call, seconds: float) -> None:
        color = "green" if 200 <= call.status < 300 else "red"
        status = f"[{color}]{call.status or 'cut'}[/]"
        method, query = call.operation.split()[0], f"?{call.query}" if call.query else ""
        fault = f" [yellow](fault {escape(call.fault)})[/]" if call.fault else ""
        line = f"{status} {method} {escape(call.path + query)} {seconds * 1000:.0f} ms{fault}"
        console.print(line, soft_wrap=True)

    return show


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until Ctrl-C or SIGTERM."""
    options = _parse_arguments(arguments)
    fields = {name: options[name] for name in _FIELDS}
    console = Console(highlight=False)
    try:
        config = SandboxConfig(**fields, latency_seconds=options["latency_ms"] / 1000, faults=tuple(options["fault"]))
        sandbox = Sandbox(config, host=options["host"], port=options["port"])
    except (OSError, ValueError, OverflowError) as error:
        print(f"The sandbox cannot start: {error}", file=sys.stderr)
        return 2
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    if not options["quiet"]:
        sandbox.on_call = _request_printer(console)
    connection = {"conn_type": "minimax", "host": sandbox.url, "password": sandbox.token}
    with sandbox:
        console.print(f"MiniMax sandbox: [bold]{sandbox.url}[/]")
        console.print(f"accounts: {', '.join(sandbox.accounts) or 'none'}")
        console.print("connection for Airflow:")
        line = f"  export AIRFLOW_CONN_MINIMAX_DEFAULT='{json.dumps(connection)}'"
        console.print(line, markup=False, soft_wrap=True)
        if find_spec("PIL") is None:
            console.print(PILLOW_MISSING, markup=False)
        console.print("Press Ctrl-C to stop it.")
        stop.wait()
    console.print("The sandbox has stopped.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
