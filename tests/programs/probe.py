"""Tries what a program that a script has started must not be able to do; says of each whether it could."""
import ctypes, errno, fcntl, mmap, os, socket, struct, sys

outside, inside, broker = sys.argv[1], sys.argv[2], int(sys.argv[3])
libc = ctypes.CDLL(None, use_errno=True)


def call(number, *arguments):
    answer = libc.syscall(number, *arguments)
    if answer < 0:
        raise OSError(ctypes.get_errno(), "syscall")
    return answer


def undone(path, act, undo):
    act()
    undo()


def write(path, mode="r+"):
    with open(path, mode) as file:
        file.write("x")


def sock(family, kind, protocol=0):
    socket.socket(family, kind, protocol).close()


def unix():
    s = socket.socket(socket.AF_UNIX)
    s.bind(outside + "/socket")
    s.close()
    os.unlink(outside + "/socket")


def through(link, path):
    return open(link + path).read()


def map_file():
    with open(outside + "/secret", "rb") as file:
        mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ).close()


def unshare(flag):
    pid = os.fork()
    if pid == 0:
        os._exit(0 if libc.unshare(flag) == 0 else ctypes.get_errno())
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status:
        raise OSError(status, "unshare")


def traced():
    pid = os.fork()
    if pid == 0:
        os._exit(0 if libc.ptrace(0, 0, 0, 0) == 0 else ctypes.get_errno())
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status:
        raise OSError(status, "ptrace")


def times():
    stat = os.stat(outside + "/secret")
    os.utime(outside + "/secret", (stat.st_atime, stat.st_mtime))


def mode():
    os.chmod(outside + "/secret", os.stat(outside + "/secret").st_mode & 0o7777)


def mode_inside():
    os.chmod(inside + "/note", os.stat(inside + "/note").st_mode & 0o7777)


def owner_inside():
    stat = os.stat(inside + "/note")
    os.chown(inside + "/note", stat.st_uid, stat.st_gid)


def flags_inside():
    with open(inside + "/note") as file:
        flags = fcntl.ioctl(file, 0x80086601, bytes(8))
        fcntl.ioctl(file, 0x40086602, flags)


ACTS = {
    "read": lambda: open(outside + "/secret").read(),
    "read_through_dots": lambda: open(inside + "/../out/secret").read(),
    "read_through_link": lambda: open(inside + "/link").read(),
    "read_through_root": lambda: through("/proc/self/root", outside + "/secret"),
    "read_through_cwd": lambda: (os.chdir(outside), open("secret").read()),
    "read_by_directory": lambda: os.open("secret", os.O_RDONLY, dir_fd=os.open(outside, os.O_PATH)),
    "map": map_file,
    "list": lambda: os.listdir(outside),
    "list_root_of_host": lambda: os.listdir("/"),
    "write": lambda: write(outside + "/secret"),
    "append": lambda: write(outside + "/secret", "a"),
    "cut": lambda: os.truncate(outside + "/secret", 1),
    "write_inside": lambda: write(inside + "/note"),
    "make": lambda: undone(0, lambda: write(outside + "/new", "w"), lambda: os.unlink(outside + "/new")),
    "make_inside": lambda: undone(0, lambda: write(inside + "/new", "w"), lambda: os.unlink(inside + "/new")),
    "make_directory": lambda: undone(0, lambda: os.mkdir(outside + "/d"), lambda: os.rmdir(outside + "/d")),
    "make_link": lambda: undone(0, lambda: os.symlink("x", outside + "/l"), lambda: os.unlink(outside + "/l")),
    "make_hard_link": lambda: undone(
        0, lambda: os.link(inside + "/note", outside + "/h"), lambda: os.unlink(outside + "/h")
    ),
    "make_fifo": lambda: undone(0, lambda: os.mkfifo(outside + "/f"), lambda: os.unlink(outside + "/f")),
    "rename": lambda: undone(
        0,
        lambda: os.rename(outside + "/secret", outside + "/other"),
        lambda: os.rename(outside + "/other", outside + "/secret"),
    ),
    "chmod": mode,
    "chmod_inside": mode_inside,
    "chown_inside": owner_inside,
    "utime": times,
    "cut_inside": lambda: os.truncate(inside + "/note", os.stat(inside + "/note").st_size),
    "rename_inside": lambda: undone(
        0, lambda: os.rename(inside + "/note", inside + "/n"), lambda: os.rename(inside + "/n", inside + "/note")
    ),
    "make_set_id": lambda: undone(
        0,
        lambda: os.close(os.open(outside + "/s", os.O_CREAT | os.O_WRONLY, 0o4755)),
        lambda: os.unlink(outside + "/s"),
    ),
    "set_attribute": lambda: os.setxattr(inside + "/note", "user.x", b"1"),
    "set_flags": flags_inside,
    "execute_another": lambda: os.posix_spawn("/usr/bin/true", ["true"], {}),
    "memory_of_broker": lambda: open(f"/proc/{broker}/mem", "rb").close(),
    "descriptors_of_broker": lambda: os.listdir(f"/proc/{broker}/fd"),
    "environment_of_broker": lambda: open(f"/proc/{broker}/environ").read(),
    "descriptor_of_broker": lambda: os.close(call(438, os.pidfd_open(broker), 0, 0)),
    "signal_broker": lambda: os.kill(broker, 0),
    "tcp": lambda: sock(socket.AF_INET, socket.SOCK_STREAM),
    "tcp_of_6": lambda: sock(socket.AF_INET6, socket.SOCK_STREAM),
    "mptcp": lambda: sock(socket.AF_INET, socket.SOCK_STREAM, 262),
    "udp": lambda: sock(socket.AF_INET, socket.SOCK_DGRAM),
    "raw": lambda: sock(socket.AF_INET, socket.SOCK_RAW, 1),
    "packet": lambda: sock(socket.AF_PACKET, socket.SOCK_RAW),
    "netlink": lambda: sock(socket.AF_NETLINK, socket.SOCK_RAW),
    "unix_by_path": unix,
    "unix_abstract": lambda: socket.socket(socket.AF_UNIX).bind(f"\0rex-{os.getpid()}"),
    "user_namespace": lambda: unshare(0x10000000),
    "mount_namespace": lambda: unshare(0x00020000),
    "network_namespace": lambda: unshare(0x40000000),
    "mount": lambda: undone(
        0,
        lambda: call(165, b"none", inside.encode(), b"tmpfs", 0, None),
        lambda: call(166, inside.encode(), 2),
    ),
    "copy_of_mount": lambda: os.close(call(428, -100, b"/", 1)),
    "watch": lambda: call(254, call(253), inside.encode(), 2),
    "terminal": lambda: os.close(os.open("/dev/ptmx", os.O_RDWR | os.O_NOCTTY)),
    "host_name": lambda: socket.sethostname(socket.gethostname()),
    "kernel_log": lambda: call(103, 10, None, 0),
    "priority": lambda: os.setpriority(os.PRIO_PROCESS, 0, -1),
    "trace": traced,
    "chroot": lambda: os.chroot("/"),
    "set_group": lambda: os.setresgid(1, 1, 0),
    "set_user": lambda: os.setresuid(1, 1, 0),
    "keyring": lambda: call(250, 1, None),
    "personality": lambda: (call(135, 0x0040000), call(135, 0)),
    "io_uring": lambda: call(425, 1, ctypes.create_string_buffer(120)),
    "bpf": lambda: call(321, 0, struct.pack("IIII", 2, 4, 4, 1) + bytes(112), 128),
    "perf": lambda: call(298, struct.pack("IIQ", 1, 112, 0) + bytes(96), 0, -1, -1, 0),
    "userfaultfd": lambda: call(323, 1),
    "handle": lambda: call(303, -100, b"/", struct.pack("Ii", 128, 0) + bytes(128), ctypes.byref(ctypes.c_int()), 0),
    "shared_memory": lambda: call(29, 0x5245580, 4096, 0o1600),
    "message_queue": lambda: call(68, 0x5245581, 0o1600),
}

for name, act in ACTS.items():
    try:
        act()
        print(name, "could")
    except OSError as error:
        print(name, errno.errorcode.get(error.errno, error.errno))
    except Exception as error:
        print(name, type(error).__name__)
