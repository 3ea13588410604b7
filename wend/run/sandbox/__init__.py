"""The walls around one command: standard library and system calls only, because it starts once per replica."""
