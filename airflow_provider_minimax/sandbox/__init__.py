"""A local stand-in for the MiniMax API of useapi.net: for tests, demos, and DAGs without credits.

It imports nothing else of this package and nothing of Airflow: it follows the documentation of the
service, independent of the client that is tested against it. Run it with
``python -m airflow_provider_minimax.sandbox``, or in a test::

    with Sandbox(SandboxConfig(images=60, step_seconds=0.05)) as sandbox:
        sandbox.fail("429", "GET /images/", times=2, retry_after=1)
        ...
        assert sandbox.stats.count("GET /images/") == 3
"""

from airflow_provider_minimax.sandbox.config import SandboxConfig
from airflow_provider_minimax.sandbox.faults import Fault
from airflow_provider_minimax.sandbox.server import Sandbox

__all__ = ["Fault", "Sandbox", "SandboxConfig"]
