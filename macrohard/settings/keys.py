"""Where keys come from: the environment, a file that it names, or the system's keyring; nowhere else."""

import importlib.util
import os
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr

from macrohard.domain import Value
from macrohard.errors import RequestError

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

SERVICE = "macrohard"
"""What our keys are filed under in the keyring; the user name is the endpoint's."""


class Key(Value):
    """A key and where it was found."""

    secret: SecretStr
    source: str
    """For people, e.g. "environment variable XAI_API_KEY"."""


def variable_of(endpoint: str) -> str:
    """The usual environment variable for the key of an endpoint: "my-lab" → MY_LAB_API_KEY."""
    return "".join(letter if letter.isalnum() else "_" for letter in endpoint.upper()) + "_API_KEY"


def in_environment(variable: str) -> Key | None:
    """The variable's value, or the content of the file that `<variable>_FILE` names.

    Raises:
        RequestError: that file cannot be read.
    """
    if value := os.environ.get(variable, "").strip():
        return Key(secret=SecretStr(value), source=f"environment variable {variable}")
    path = os.environ.get(f"{variable}_FILE")
    if not path:
        return None
    try:
        content = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise RequestError(f"{variable}_FILE: {path} cannot be read: {error}") from error
    return Key(secret=SecretStr(content), source=f"{path}, named by {variable}_FILE") if content else None


def find_key(endpoint: str, variable: str) -> Key | None:
    """The key of an endpoint: from the environment, else from the keyring; None: there is none.

    Raises:
        RequestError: the file or the keyring cannot be read; says what to do.
    """
    return in_environment(variable) or _in_keyring(endpoint, variable)


def _in_keyring(endpoint: str, variable: str) -> Key | None:
    if importlib.util.find_spec("keyring") is None:
        return None
    from keyring.errors import KeyringError, NoKeyringError

    ring = _keyring()
    try:
        found = ring.get_password(SERVICE, endpoint)
    except NoKeyringError:
        return None
    except KeyringError as error:
        raise RequestError(
            f"the system's keyring did not give the key of {endpoint!r} ({error}); unlock it, or set {variable}"
        ) from error
    return Key(secret=SecretStr(found), source=f"keyring {ring.name}") if found else None


def keep(endpoint: str, secret: str) -> str:
    """Put the key into the system's keyring, in the place of one that is there; gives the keyring's name.

    Raises:
        RequestError: there is no keyring; says how to get one or how to do without.
    """
    return _changed(endpoint, secret)


def forget(endpoint: str) -> str:
    """Take the key out of the system's keyring; gives the keyring's name.

    Raises:
        RequestError: it holds no such key, or there is no keyring.
    """
    return _changed(endpoint, None)


def _changed(endpoint: str, secret: str | None) -> str:
    otherwise = (
        f"set the environment variable {variable_of(endpoint)}, or {variable_of(endpoint)}_FILE to a file's path"
    )
    if importlib.util.find_spec("keyring") is None:
        raise RequestError(f"the keyring needs `pip install 'macrohard[keyring]'`; without it, {otherwise}")
    from keyring.errors import KeyringError, NoKeyringError, PasswordDeleteError

    ring = _keyring()
    try:
        if secret is None:
            ring.delete_password(SERVICE, endpoint)
        else:
            ring.set_password(SERVICE, endpoint, secret)
    except NoKeyringError as error:
        raise RequestError(f"this machine has no keyring; {otherwise}") from error
    except PasswordDeleteError as error:
        raise RequestError(f"the keyring {ring.name} holds no key for {endpoint!r}") from error
    except KeyringError as error:
        raise RequestError(f"the keyring {ring.name} refused ({error}); unlock it, or {otherwise}") from error
    return ring.name


def _keyring() -> "KeyringBackend":
    # Imported when a key is looked for only: it takes a tenth of a second.
    import keyring

    return keyring.get_keyring()
