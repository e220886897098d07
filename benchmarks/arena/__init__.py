"""Puts cloaca into the public arena of PostgreSQL job queues,
https://github.com/hardbyte/postgresql-job-queue-benchmarking: its adapter, and its scenarios on a
server of this machine.
"""
