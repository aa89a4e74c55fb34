"""Run the `cvd3d` command as `python -m cvd3d`."""

from cvd3d.cli import main

if __name__ == "__main__":
    main()
