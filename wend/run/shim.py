"""The file that is started, as `python -I -S shim.py`, once per replica or one-off.

It puts its own folder on the path and goes on in `sandbox`, without importing the rest of Wend: that would cost more
than everything it does.
"""

import sys

if __name__ == "__main__":
    sys.path.insert(0, __file__.rpartition("/")[0])
    __import__("sandbox.shim", fromlist=["main"]).main()
