"""`python -m cvd3d` is the `cvd3d` command."""

from cvd3d.cli import main

if __name__ == "__main__":
    main()
