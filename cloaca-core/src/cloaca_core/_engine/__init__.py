"""The engine: everything between submit and result. Private.

``engine`` answers the façades, ``lifecycle`` opens and closes, ``parts`` connects what ``stages``
makes. The folders are the stages of a run; read them in this order:

* ``submit``: a checked request becomes a durable run.
* ``claim``: runs come from the table, within limits.
* ``plan``: the state of a run, and the steps that follow from it. Pure.
* ``wait``: nodes and bodies wait for instants, events and people.
* ``orchestrate``: decide, launch, and go on when an attempt has ended.
* ``execute``: user code runs in here and nowhere else.
* ``record``: facts become durable, in groups.
* ``recover``: which runners are dead, and whose runs are free.
* ``fire``: time and events make runs.
* ``steer``: commands to runs are written, and reach their owners.
* ``upkeep``: runs that have ended long ago are deleted.
* ``observe``: callers that wait for a run, recent results, work without a runner.

``runtime`` has the tools for loops and threads, which know no run.
"""
