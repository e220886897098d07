"""``python -m cloaca``: the command line."""

from cloaca_core.cli.root import main as main

if __name__ == "__main__":
    main()
