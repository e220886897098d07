"""``python -m service``, started in ``examples/``: serve, on the database in ``DATABASE_URL``."""

from __future__ import annotations

import argparse
import os
import socket
from contextlib import suppress

import uvicorn

from .app import create_app


def main() -> None:
    """Print the address, then serve until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m service", description=__doc__)
    parser.add_argument("--port", type=int, default=8000, help="0 takes a free one")
    port: int = parser.parse_args().port
    app = create_app(os.environ.get("DATABASE_URL", "sqlite://parcels.db"))
    with socket.create_server(("127.0.0.1", port)) as listening:
        # Requests from now on wait until the runner has opened its database.
        print(f"http://127.0.0.1:{listening.getsockname()[1]}", flush=True)
        with suppress(KeyboardInterrupt):
            uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listening])
    print("stopped; what was not finished goes on at the next start")


if __name__ == "__main__":
    main()
