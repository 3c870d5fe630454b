"""Why the local HTTP API cannot be served; apart from the server, whose library is loaded only where it listens."""


class ApiError(Exception):
    """Raised when the API cannot listen; its text says where, why and what to do."""
