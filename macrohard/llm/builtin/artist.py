"""The built-in model with a pencil: a plain sign from the product's name and colours, the same for the same text."""

from macrohard.domain import JsonObject
from macrohard.llm.builtin.conversation import Call, Conversation, Turn
from macrohard.llm.builtin.office import look_of
from macrohard.llm.builtin.webapp import sign


def artist(conversation: Conversation) -> Turn:
    """Draw the task's files; what is not taken is drawn once more, plainer."""
    task = conversation.material.get("task")
    task = task if isinstance(task, dict) else {}
    files = task.get("files")
    paths = [str(path) for path in files if str(path).endswith((".svg", ".png"))] if isinstance(files, list) else []
    tried: dict[str, list[str]] = {path: [] for path in paths}
    for exchange in conversation.exchanges:
        if exchange.call.name == "picture":
            tried.setdefault(str(exchange.call.arguments["path"]), []).append(exchange.result)
    look, title = look_of(conversation.material), _title(conversation.material)
    missing = [path for path, answers in tried.items() if not any(answer.startswith("wrote ") for answer in answers)]
    if again := [path for path in missing if len(tried[path]) < 2]:
        calls = []
        for path in again:
            drawing = sign(title, look, plain=bool(tried[path]))
            prompt = f"A plain sign for {title}: its initials and a simple shape."
            calls.append(Call(name="picture", arguments={"path": path, "prompt": prompt, "svg": drawing}))
        return Turn(text=f"I draw {len(calls)} of {len(paths)}.", calls=tuple(calls))
    made = [path for path in paths if path not in missing]
    summary = f"Drew {', '.join(made)} as a plain sign with initials." if made else "Nothing was drawn."
    left = [f"{path}: {tried[path][-1]}" for path in missing]
    others = [str(path) for path in files if str(path) not in paths] if isinstance(files, list) else []
    left += [f"{path}: neither .svg nor .png" for path in others]
    return Turn(calls=(Call(name="finish", arguments={"summary": summary, "open_points": list(left)}),))


def _title(material: JsonObject) -> str:
    specification = material.get("specification")
    title = specification.get("title") if isinstance(specification, dict) else None
    return str(title or "Product")
