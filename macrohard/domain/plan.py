"""Who does what: tasks with dependencies and files of their own."""

from pydantic import Field, model_validator

from macrohard.domain.value import Value


class Task(Value):
    """One assignment for one coder."""

    id: str = Field(pattern=r"^T-[1-9][0-9]*$")
    title: str
    agent: str
    """The name of a file in `agents/`."""
    instructions: str
    criteria: tuple[str, ...] = ()
    files: tuple[str, ...]
    """What only this task may write: paths, or folders that end in "/"; "./" is all of the product."""
    depends_on: tuple[str, ...] = ()


class Plan(Value):
    """Tasks whose dependencies are an acyclic graph; two tasks own the same file only if one waits for the other."""

    tasks: tuple[Task, ...]

    @model_validator(mode="after")
    def _is_a_plan(self) -> "Plan":
        by_id = self._by_id
        if len(by_id) != len(self.tasks):
            raise ValueError("two tasks have the same id")
        for task in self.tasks:
            if unknown := set(task.depends_on) - set(by_id):
                raise ValueError(f"{task.id} depends on unknown tasks: {', '.join(sorted(unknown))}")
        before = {task.id: self._all_before(task, by_id, ()) for task in self.tasks}
        for index, one in enumerate(self.tasks):
            for other in self.tasks[index + 1 :]:
                ordered = one.id in before[other.id] or other.id in before[one.id]
                if not ordered and (shared := shared_files(one, other)):
                    raise ValueError(f"{one.id} and {other.id} both own {', '.join(shared)} and could run at once")
        return self

    def before(self, task_id: str) -> frozenset[str]:
        """The ids of all tasks that have to be done before this one."""
        return frozenset(self._all_before(next(task for task in self.tasks if task.id == task_id), self._by_id, ()))

    @property
    def _by_id(self) -> dict[str, Task]:
        return {task.id: task for task in self.tasks}

    @staticmethod
    def _all_before(task: Task, by_id: dict[str, Task], path: tuple[str, ...]) -> set[str]:
        if task.id in path:
            raise ValueError(f"the tasks wait for each other: {' → '.join((*path, task.id))}")
        found = set(task.depends_on)
        for earlier in task.depends_on:
            found |= Plan._all_before(by_id[earlier], by_id, (*path, task.id))
        return found


def owns(files: tuple[str, ...], path: str) -> bool:
    """Whether a task that owns `files` may write `path`."""
    return any(file == "./" or path == file or (file.endswith("/") and path.startswith(file)) for file in files)


def shared_files(one: Task, other: Task) -> tuple[str, ...]:
    """What both tasks own."""
    mine = {file for file in one.files if owns(other.files, file)}
    return tuple(sorted(mine | {file for file in other.files if owns(one.files, file)}))
