"""How the service declines a request."""

from __future__ import annotations


class RefusedError(Exception):
    """A request that the service declines with a status; some of its endpoints leave ``code`` out of the body."""

    def __init__(self, status: int, message: str, *, with_code: bool = True) -> None:
        super().__init__(message)
        self.status, self.message, self.with_code = status, message, with_code


class NotFoundError(RefusedError):
    """404, in the service's words."""

    def __init__(self) -> None:
        super().__init__(404, "Not found.")
