"""Models: the chat contract, endpoints, prices, the budget's gateway, and the built-in model."""

from macrohard.llm.budget import Ledger
from macrohard.llm.chat import MODEL_ROLES, ChatModel, ModelRole, Reply, ToolCall, Usage
from macrohard.llm.price import FREE, KNOWN_PRICES, ModelPrice

__all__ = [
    "FREE",
    "KNOWN_PRICES",
    "MODEL_ROLES",
    "ChatModel",
    "Ledger",
    "ModelPrice",
    "ModelRole",
    "Reply",
    "ToolCall",
    "Usage",
]
