"""The parts of the process executor: a call, a worker process, and which call runs where."""
