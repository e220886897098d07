"""Executors for the bodies of tasks: more cores than one process has, or more machines.

``process`` makes worker processes on this host, ``ray`` calls of a Ray cluster. A runner takes any
other ``concurrent.futures.Executor`` as well; ``by_value`` has functions sent to it with
cloudpickle. ``cloaca.executors`` is the door. This package knows no engine.
"""
