"""A session of the HTTP library that reads no body by itself."""

from __future__ import annotations

import requests


class Session(requests.Session):
    """A session that does not look at the target of a redirect.

    Even if it is told not to follow redirects, the library looks at the target: it reads the whole body for that, and
    fails where the address is malformed.
    """

    def get_redirect_target(self, resp: requests.Response) -> str | None:  # noqa: ARG002 - the library passes it
        """Return None: the caller reads ``Location`` itself, if at all."""
        return None
