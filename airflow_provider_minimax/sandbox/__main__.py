"""The command: ``python -m airflow_provider_minimax.sandbox``."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from ipaddress import ip_address

from rich.console import Console
from rich.markup import escape

from airflow_provider_minimax.sandbox.config import DEFAULT_TOKEN, SandboxConfig
from airflow_provider_minimax.sandbox.faults import OTHER, PLAIN, Fault, parse_fault
from airflow_provider_minimax.sandbox.server import Sandbox
from airflow_provider_minimax.sandbox.stats import Call


def _fault_help() -> str:
    lines = [f"  {'/'.join(sorted(PLAIN))}", "      that status, with the service's error object"]
    for kind, what in OTHER.items():
        lines += [f"  {kind}", f"      {what}"]
    return (
        "faults, written as KIND[@OPERATION[:OPTION=VALUE,...]]:\n"
        + "\n".join(lines)
        + (
            "\n\noptions: skip, times (0: without end), retry_after (seconds or date), delay, count, status, location"
            '\n\nfor example: --fault "429@GET /images/:skip=1,times=2,retry_after=1"'
        )
    )


def _parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m airflow_provider_minimax.sandbox",
        description="A local stand-in for the MiniMax / Hailuo API of useapi.net. It generates and costs nothing.",
        epilog=_fault_help(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--host", type=_loopback, default="127.0.0.1", help="a loopback address (%(default)s)")
    parser.add_argument("--port", type=int, default=8765, help="0 for a free one (%(default)s)")
    parser.add_argument("--images", type=int, default=60, help="images per account (%(default)s)")
    parser.add_argument("--accounts", type=int, default=1, help="configured accounts, 0 to 9 (%(default)s)")
    parser.add_argument("--token", default=DEFAULT_TOKEN, help="the token to accept (%(default)s)")
    parser.add_argument("--step-seconds", type=float, default=0.5, help="a job takes four steps (%(default)s)")
    parser.add_argument("--latency-ms", type=float, default=0.0, help="added to every response (%(default)s)")
    parser.add_argument("--page-cap", type=int, default=100, help="the largest page (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="another seed, another history (%(default)s)")
    parser.add_argument("--fault", type=_fault, action="append", default=[], help="queue a fault; repeatable")
    parser.add_argument("--quiet", action="store_true", help="do not print the requests")
    return parser.parse_args(arguments)


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


def _config(options: argparse.Namespace) -> SandboxConfig:
    return SandboxConfig(
        images=options.images,
        accounts=options.accounts,
        token=options.token,
        seed=options.seed,
        step_seconds=options.step_seconds,
        latency_seconds=options.latency_ms / 1000,
        page_cap=options.page_cap,
        faults=tuple(options.fault),
    )


def _request_printer(console: Console) -> Callable[[Call, float], None]:
    """Return what prints a request: never its headers, so never the token."""

    def show(call: Call, seconds: float) -> None:
        color = "green" if 200 <= call.status < 300 else "red"
        status = f"[{color}]{call.status or 'cut'}[/]"
        method, query = call.operation.split()[0], f"?{call.query}" if call.query else ""
        fault = f" [yellow](fault {escape(call.fault)})[/]" if call.fault else ""
        console.print(
            f"{status} {method} {escape(call.path + query)} {seconds * 1000:.0f} ms{fault}",
            highlight=False,
            soft_wrap=True,
        )

    return show


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until Ctrl-C or SIGTERM."""
    options = _parse_arguments(arguments)
    console = Console()
    try:
        sandbox = Sandbox(_config(options), host=options.host, port=options.port)
    except (OSError, ValueError, OverflowError) as error:
        print(f"The sandbox cannot start: {error}", file=sys.stderr)
        return 2
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    if not options.quiet:
        sandbox.on_call = _request_printer(console)
    connection = {"conn_type": "minimax", "host": sandbox.url, "password": sandbox.token}
    with sandbox:
        console.print(f"MiniMax sandbox: [bold]{sandbox.url}[/]", highlight=False)
        console.print(f"accounts: {', '.join(sandbox.accounts) or 'none'}", highlight=False)
        console.print("connection for Airflow:", highlight=False)
        line = f"  export AIRFLOW_CONN_MINIMAX_DEFAULT='{json.dumps(connection)}'"
        console.print(line, highlight=False, markup=False, soft_wrap=True)
        console.print("Press Ctrl-C to stop it.", highlight=False)
        stop.wait()
    console.print("The sandbox has stopped.", highlight=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
