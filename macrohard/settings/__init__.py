"""What a person can set: by flag, by `MACROHARD_*`, in one TOML file, by the keys of the environment, in this order."""

from macrohard.settings.keys import Key, find_key, forget, keep, variable_of
from macrohard.settings.loading import SandboxChoice, Settings, load_settings, settings_file
from macrohard.settings.tables import EndpointTable, ModelChoice, RoleTable, split_model
from macrohard.settings.targets import Probed

__all__ = [
    "EndpointTable",
    "Key",
    "ModelChoice",
    "Probed",
    "RoleTable",
    "SandboxChoice",
    "Settings",
    "find_key",
    "forget",
    "keep",
    "load_settings",
    "settings_file",
    "split_model",
    "variable_of",
]
