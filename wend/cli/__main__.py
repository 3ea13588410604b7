"""`python -m wend.cli`: the same as `wend`, for when the script is not on the PATH."""

from wend.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
