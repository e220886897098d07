"""The command line ``cloaca``: dresses what ``observe`` and clients answer, and decides nothing.

    root      all commands, and their errors       lazy      groups that import at first use
    where     which database, which workflows      output    tables, lines, JSON
    arguments types of options                     exits     exit codes
    failures  errors → exit codes                  words     times, durations, states
    columns   the columns of lists

One module for each group of commands; ``live`` and ``lines`` show a run that goes on, ``endpoints``
and ``systemd`` are the sides of a worker that other programs see, ``reload`` begins one anew when
its code changes, ``completion`` and ``bash`` answer shells. Modules import at their top what
each command needs, and inside of functions what opens a database.
"""
