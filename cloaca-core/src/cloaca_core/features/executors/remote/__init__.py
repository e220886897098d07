"""Runs bodies on executors that the program gave its runner: in other processes, on other hosts.

``call`` is sent, ``worker`` runs it there, ``answer`` comes back; ``attempt`` waits for it, and
``pool`` has the executor. Everything else about an attempt stays in the runner's process.
"""
