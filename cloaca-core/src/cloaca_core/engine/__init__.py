"""The kernel's engine: everything between submit and result. Private.

The folders are the stages of a run; read them in this order:

* ``calls``: what callers ask for, as values, and the ways to wait for an answer.
* ``submit``: a checked request becomes a durable run.
* ``claim``: runs come from the table, within limits.
* ``orchestrate``: decide, launch, and go on when an attempt has ended. ``run`` has the rules.
* ``execute``: user code runs in here and nowhere else.
* ``record``: facts become durable, in groups.
* ``recover``: which runners are dead, and whose runs are free.
* ``observe``: callers that wait for a run, recent results.

``runtime`` has the tools for loops and threads, which know no run. ``stages`` makes the parts of a
kernel, ``kernel`` puts them together, ``lifecycle`` opens and closes them. ``assembly`` adds the
features.
"""
