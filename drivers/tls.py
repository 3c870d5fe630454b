"""What a TLS connection to a device checks and shows."""

import ssl
from pathlib import Path

from drivers.endpoint import Endpoint
from drivers.errors import LineDown
from drivers.regular_file import expect_regular
from drivers.remedy import bad_file


def tls_context(endpoint: Endpoint) -> ssl.SSLContext:
    """Return a context that checks the device's name and certificate; raise LineDown for unusable files."""
    try:
        expect_regular(Path(endpoint.ca_file) if endpoint.ca_file else None)
        context = ssl.create_default_context(cafile=endpoint.ca_file)
    except OSError as error:
        raise LineDown(bad_file(endpoint, "ca", endpoint.ca_file, error)) from error
    if endpoint.cert_file:
        try:
            expect_regular(*(Path(file) for file in (endpoint.cert_file, endpoint.key_file) if file))
            # Without a password at hand OpenSSL would ask for one on the terminal and stop the program.
            context.load_cert_chain(endpoint.cert_file, endpoint.key_file, password=lambda: "")
        except OSError as error:
            files = " and ".join(filter(None, (endpoint.cert_file, endpoint.key_file)))
            raise LineDown(bad_file(endpoint, "cert and key", files, error)) from error
    return context
