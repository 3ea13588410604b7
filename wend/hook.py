"""What git runs as a hook: hands its three streams to the control plane, and leaves with the answer.

Runs as `python -I -S hook.py NAME`, so it knows the standard library and nothing of Wend. The control plane speaks
to git itself over the streams it was handed; nothing is copied through here.
"""

from __future__ import annotations

# socket.py costs 8 ms of start-up (enum, selectors) at every push; the C module underneath has all that is needed.
import _socket
import os
import sys

WORDS = ("WEND_TICKET", "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_QUARANTINE_PATH")


def main(name: str) -> int:
    said = {key: os.environ[key] for key in os.environ if key in WORDS or key.startswith("GIT_PUSH_OPTION_")}
    said["hook"] = name
    door, file = os.path.split(os.environ["WEND_SOCKET"])
    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        os.chdir(door)  # a socket's path may have 108 bytes; a home may be deeper than that
        connection.connect(file)
        streams = b"".join(fd.to_bytes(4, sys.byteorder) for fd in (0, 1, 2))
        connection.sendmsg([b"."], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, streams)])
        words = "\0".join(f"{key}={value}" for key, value in said.items())
        connection.sendall(words.encode("utf-8", "surrogateescape"))
        connection.shutdown(_socket.SHUT_WR)
        for fd in (0, 1):
            os.close(fd)  # the control plane's copies are the only ones now: its close is git's end of file
        answer = connection.recv(1)
    except OSError as error:
        sys.stderr.write(f"the control plane went away: {error.strerror or error}; push again in a moment\n")
        return 1
    if not answer:
        sys.stderr.write("the control plane stopped during this push; push again in a moment\n")
    return answer[0] if answer else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
