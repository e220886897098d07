"""``python -m service.visit``: a client that kills the service while a run is under way.

It starts the service, hands in a parcel, kills it (kill -9) in the middle, starts it again, and
asks for the same run.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

PARCEL = {"number": "A-17", "city": "Oslo", "contents": "books"}


def main() -> None:
    """Start the service twice, for one run."""
    with tempfile.TemporaryDirectory() as folder:
        url = os.environ.get("DATABASE_URL", f"sqlite://{Path(folder) / 'parcels.db'}")
        with service(url) as client:
            run = begun(client)
        with service(url) as client:
            finished(client, run)


def begun(client: httpx.Client) -> str:
    """Hand in a parcel, twice; return while its label is being printed."""
    answers = [client.post("/parcels", json=PARCEL) for _ in range(2)]
    runs = [str(answer.json()["run"]) for answer in answers]
    print("accepted:", answers[0].status_code, "twice the same run:", runs[0] == runs[1])
    while asked(client, runs[0], wait=0.05)["tasks"].get("weigh") != "Completed":
        pass
    print("killed while the label is printed")
    return runs[0]


def finished(client: httpx.Client, run: str) -> None:
    """Print the result of the run."""
    told = asked(client, run, wait=30)
    print("status:", told["status"])
    print("label:", told["context"]["label"])
    print("steps:", ", ".join(f"{name} {status}" for name, status in told["tasks"].items()))
    print("unknown run:", client.get("/runs/none").status_code)
    print("runs in all:", len(client.get("/runs").json()))


def asked(client: httpx.Client, run: str, wait: float) -> dict[str, Any]:
    """Ask for the state of the run."""
    answer = client.get(f"/runs/{run}", params={"wait": wait})
    told: dict[str, Any] = answer.raise_for_status().json()
    return told


@contextmanager
def service(database_url: str) -> Iterator[httpx.Client]:
    """Start a service, and kill it at the end; a client of it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "service", "--port", "0"],
        cwd=Path(__file__).parent.parent,
        env=os.environ | {"DATABASE_URL": database_url},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        with httpx.Client(base_url=process.stdout.readline().strip(), timeout=60) as client:
            yield client
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


if __name__ == "__main__":
    main()
