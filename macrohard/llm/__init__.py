"""Models: the chat contract, endpoints, prices, the budget's gateway, and the built-in model."""

from macrohard.llm.budget import Ledger
from macrohard.llm.chat import MODEL_ROLES, ChatModel, ModelRole, Reply, ToolCall, Usage
from macrohard.llm.price import FREE, ModelPrice

__all__ = [
    "FREE",
    "MODEL_ROLES",
    "ChatModel",
    "Ledger",
    "ModelPrice",
    "ModelRole",
    "Reply",
    "ToolCall",
    "Usage",
]
