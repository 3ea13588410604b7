"""The file tree a boxed command sees: a fresh root with the system read-only, and the box's mounts on top.

Runs in the child that is about to become the command, in its own mount namespace.
"""

from __future__ import annotations

import os

from . import kernel
from .job import Job

SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
ETC = (
    "ssl", "pki", "ca-certificates", "ca-certificates.conf", "crypto-policies", "ld.so.cache", "ld.so.conf",
    "ld.so.conf.d", "localtime", "timezone", "alternatives", "mime.types", "protocols", "services", "fonts",
)  # fmt: skip
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
LINKS = {"fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2", "ptmx": "pts/ptmx"}
SAFE = kernel.NOSUID | kernel.NODEV
SEARCH = os.O_PATH | os.O_CLOEXEC | os.O_NOFOLLOW


def enter(job: Job, resolver: str) -> list[str]:
    """Build the tree in `job.scratch`, make it the root. Returns the walls that could not be had here."""
    missing: list[str] = []
    root = f"{job.scratch}/root"
    os.makedirs(root, exist_ok=True)
    kernel.mount("none", "/", "", kernel.REC | kernel.PRIVATE)
    kernel.mount("root", root, "tmpfs", SAFE, "size=4m,mode=755")
    system(root)
    etc(root, job, resolver)
    devices(root)
    size = max(64 * 2**20, min(2**30, (job.memory or 2**31) // 2))
    for place, mode in (("tmp", "1777"), ("home", "700"), ("var/tmp", "1777"), ("run", "755")):
        space(f"{root}/{place}", size, mode, job)
    missing += processes(root)
    for number, (source, target, mode) in enumerate(job.mounts):
        missing += place_mount(root, number, source, target, mode, job)
    os.chdir(root)
    kernel.pivot_here()
    kernel.restrict_mount("/", kernel.RDONLY, recursive=False)
    return missing


def system(root: str) -> None:
    for path in SYSTEM:
        if os.path.islink(path):
            os.symlink(os.readlink(path), root + path)
        elif os.path.isdir(path):
            bind(path, root + path, kernel.RDONLY | SAFE)


def bind(source: str, target: str, flags: int) -> None:
    """Bind a folder or a file at a place of our own tree; recursive, since in a user namespace it must be."""
    if os.path.isdir(source):
        os.makedirs(target, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o644))
    kernel.mount(source, target, "", kernel.BIND | kernel.REC)
    kernel.restrict_mount(target, flags)


def etc(root: str, job: Job, resolver: str) -> None:
    """What programs look up, and nothing that tells of this machine's people."""
    for name in ETC:
        source = os.path.realpath(f"/etc/{name}")
        if os.path.exists(source):
            bind(source, f"{root}/etc/{name}", kernel.RDONLY | SAFE)
    uid, gid = os.getuid() or job.uid, os.getgid() or job.uid
    write(f"{root}/etc/passwd", f"root:x:0:0:root:/:/bin/sh\napp:x:{uid}:{gid}:app:{job.home}:/bin/sh\n")
    write(f"{root}/etc/group", f"root:x:0:\napp:x:{gid}:\n")
    write(f"{root}/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\nservices: files\n")
    write(f"{root}/etc/hosts", "127.0.0.1 localhost app\n::1 localhost ip6-localhost\n" + own_hosts())
    write(f"{root}/etc/resolv.conf", resolver)
    write(f"{root}/etc/hostname", "app\n")


def own_hosts() -> str:
    """The host's names for other machines; those for itself would point at walls."""
    try:
        with open("/etc/hosts", encoding="utf-8", errors="replace") as file:
            lines = file.read(2**20).splitlines(keepends=True)
    except OSError:
        return ""
    return "".join(line for line in lines if not line.lstrip().startswith(("127.", "::1", "#", "\n")))


def write(path: str, text: str) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def devices(root: str) -> None:
    os.makedirs(f"{root}/dev/pts")
    for name in DEVICES:
        target = f"{root}/dev/{name}"
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o644))
        kernel.mount(f"/dev/{name}", target, "", kernel.BIND)
    for name, target in LINKS.items():
        os.symlink(target, f"{root}/dev/{name}")
    own = "newinstance,ptmxmode=0666,mode=620"
    kernel.mount("pts", f"{root}/dev/pts", "devpts", kernel.NOSUID | kernel.NOEXEC, own)
    os.mkdir(f"{root}/dev/shm")
    kernel.mount("shm", f"{root}/dev/shm", "tmpfs", SAFE | kernel.NOEXEC, "size=64m,mode=1777")


def space(path: str, size: int, mode: str, job: Job) -> None:
    """A writable folder in memory that ends with the box."""
    os.makedirs(path, exist_ok=True)
    kernel.mount("space", path, "tmpfs", SAFE, f"size={size},mode={mode},nr_inodes=100k")
    if job.uid and mode == "700":
        os.chown(path, job.uid, job.uid)


def processes(root: str) -> list[str]:
    os.makedirs(f"{root}/proc", exist_ok=True)
    try:
        kernel.mount("proc", f"{root}/proc", "proc", SAFE | kernel.NOEXEC)
    except OSError:  # inside a container whose own /proc is masked, the kernel refuses a fresh one
        return ["proc: this kernel gives no private /proc here; the folder is empty"]
    return []


# ---------------------------------------------------------------------------------------------- the box's mounts


def place_mount(root: str, number: int, source: str, target: str, mode: str, job: Job) -> list[str]:
    """Mount one of the box's folders. Below an earlier mount nothing is created: the place must be there, and no
    link may lead elsewhere."""
    inside = [earlier for _, earlier, _ in job.mounts[:number] if beneath(target, earlier)]
    if not inside and not any(beneath(target, path) for path in SYSTEM):
        os.makedirs(root + target, exist_ok=True) if os.path.isdir(source) else make_file(root + target)
    fd = walk(root, target)
    try:
        return fill(f"/proc/self/fd/{fd}", number, source, mode, job)
    finally:
        os.close(fd)


def beneath(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def make_file(path: str) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_NOFOLLOW, 0o644))


def walk(root: str, target: str) -> int:
    """A descriptor of `target` below `root`, reached without following a single link. Raises OSError."""
    fd = os.open(root, SEARCH)
    for part in target.strip("/").split("/"):
        if part == "..":
            raise OSError(22, "a mount's target may not hold '..'", target)
        following = os.open(part, SEARCH, dir_fd=fd)
        os.close(fd)
        fd = following
        if is_link(fd):
            raise OSError(40, "a mount's target may not lead through a link", target)
    return fd


def is_link(fd: int) -> bool:
    return (os.fstat(fd).st_mode & 0o170000) == 0o120000


def fill(place: str, number: int, source: str, mode: str, job: Job) -> list[str]:
    if mode == "overlay":
        return overlay(place, number, source, job)
    kernel.mount(source, place, "", kernel.BIND | kernel.REC)
    kernel.restrict_mount(os.readlink(place), SAFE | (kernel.RDONLY if mode == "ro" else 0))
    return []


def overlay(place: str, number: int, source: str, job: Job) -> list[str]:
    """`source` with a writable layer of the replica's own on top, or a copy where the kernel has no such thing."""
    base = f"{job.scratch}/layer{number}"
    for part in ("upper", "work", "lower"):
        os.makedirs(f"{base}/{part}", exist_ok=True)
    if job.uid:
        os.chown(f"{base}/upper", job.uid, job.uid)
    try:
        lower = source if not job.users else owned(source, f"{base}/lower", job)
        if job.uid and os.stat(lower).st_uid != job.uid:
            raise OSError(1, "the box's user could not write over this")
        extra = "" if job.uid else ",userxattr"
        options = f"lowerdir={lower},upperdir={base}/upper,workdir={base}/work{extra}"
        if any(mark in source + job.scratch for mark in ",:\\"):
            raise OSError(22, "overlay cannot name this folder")
        kernel.mount("overlay", os.readlink(place), "overlay", SAFE, options)
    except OSError:
        copy(source, f"{base}/copy", job.uid)
        kernel.mount(f"{base}/copy", os.readlink(place), "", kernel.BIND)
        kernel.restrict_mount(os.readlink(place), SAFE)
    return []


def owned(source: str, lower: str, job: Job) -> str:
    """`source` as if the box's user owned it, so that the user may write over it. `job.users` holds the mapping."""
    kernel.mapped_mount(source, lower, job.users)
    return lower


def copy(source: str, target: str, uid: int) -> None:
    """A plain copy by the system's own cp, which keeps links as links and shares blocks where it can."""
    arguments = ["cp", "-a", "--reflink=auto", "--", source, target]
    if os.waitstatus_to_exitcode(os.waitpid(os.posix_spawnp("cp", arguments, os.environ), 0)[1]):
        raise OSError(5, "cannot copy", source)
    if uid:
        give(target, uid)


def give(folder: str, uid: int) -> None:
    """Make everything in `folder` the user's; links themselves, never what they point at."""
    os.chown(folder, uid, uid, follow_symlinks=False)
    for _, folders, files, fd in os.fwalk(folder):
        for name in (*folders, *files):
            os.chown(name, uid, uid, dir_fd=fd, follow_symlinks=False)
