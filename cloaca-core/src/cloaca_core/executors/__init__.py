"""Executors for the bodies of tasks: more cores than one process has, or more machines.

This package knows no engine.
"""
