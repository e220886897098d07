"""``python -m cloaca``: the command line."""

from cloaca_core.command import main as main

if __name__ == "__main__":
    main()
