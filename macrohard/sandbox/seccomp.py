"""Compiles a seccomp profile, in the engine's JSON, for bubblewrap or the guest to hand to the kernel."""

import ctypes
import json
import os
import platform
from io import FileIO
from pathlib import Path
from typing import Any, Final

from macrohard.errors import SandboxUnavailable

_LIBRARY: Final = "libseccomp.so.2"
_ALLOW: Final = 0x7FFF0000
_ERRNO: Final = 0x00050000
_COMPARISONS: Final = {"SCMP_CMP_EQ": 4, "SCMP_CMP_MASKED_EQ": 7}
_NOT_HERE: Final = -1
"""What the library says of a system call that it, or this architecture, does not have."""


class _Comparison(ctypes.Structure):
    _fields_ = (
        ("argument", ctypes.c_uint),
        ("operation", ctypes.c_int),
        ("first", ctypes.c_uint64),
        ("second", ctypes.c_uint64),
    )


def compile_profile(path: Path) -> FileIO:
    """An open file, at its start, with the program.

    Raises:
        SandboxUnavailable: libseccomp is not installed, or refuses the profile.
    """
    profile: dict[str, Any] = json.loads(path.read_text())
    try:
        library = ctypes.CDLL(_LIBRARY)
    except OSError as error:
        raise SandboxUnavailable(f"{_LIBRARY} is missing: apt-get install --yes libseccomp2") from error
    library.seccomp_init.restype = ctypes.c_void_p
    library.seccomp_init.argtypes = [ctypes.c_uint32]
    library.seccomp_release.argtypes = [ctypes.c_void_p]
    library.seccomp_export_bpf.argtypes = [ctypes.c_void_p, ctypes.c_int]
    library.seccomp_rule_add_array.argtypes = [
        *(ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint),
        ctypes.POINTER(_Comparison),
    ]
    if profile["defaultAction"] != "SCMP_ACT_ERRNO":
        raise SandboxUnavailable(f"{path.name}: the default must be to refuse")
    context = library.seccomp_init(_ERRNO | profile["defaultErrnoRet"])
    target = FileIO(os.memfd_create(path.name), "w+")
    try:
        for rule in profile["syscalls"]:
            action = _ALLOW if rule["action"] == "SCMP_ACT_ALLOW" else _ERRNO | rule["errnoRet"]
            comparisons = [_comparison(each) for each in rule.get("args", [])]
            array = (_Comparison * len(comparisons))(*comparisons)
            for name in rule["names"]:
                number = library.seccomp_syscall_resolve_name(name.encode())
                if number == _NOT_HERE or number < 0:
                    continue
                _check(library.seccomp_rule_add_array(context, action, number, len(comparisons), array), name)
        _check(library.seccomp_export_bpf(context, target.fileno()), platform.machine())
    except SandboxUnavailable:
        target.close()
        raise
    finally:
        library.seccomp_release(context)
    target.seek(0)
    return target


def _comparison(rule: dict[str, Any]) -> _Comparison:
    if rule["op"] == "SCMP_CMP_MASKED_EQ":
        return _Comparison(rule["index"], _COMPARISONS[rule["op"]], rule["value"], rule["valueTwo"])
    return _Comparison(rule["index"], _COMPARISONS[rule["op"]], rule["value"], 0)


def _check(result: int, what: str) -> None:
    if result < 0:
        raise SandboxUnavailable(f"libseccomp refuses {what}: {os.strerror(-result)}")
