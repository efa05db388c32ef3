"""Projects of a service: what runs belong to, who sees it, and how much it may take."""

from urllib.parse import quote

from macrohard.client.connection import Connection
from macrohard.domain.people import RoleName
from macrohard.domain.project import Member, Project, ProjectUsage, Quotas


class Projects:
    """`Client.projects`; every method raises as those of the client do."""

    def __init__(self, service: Connection) -> None:
        self._service = service

    def all(self) -> tuple[Project, ...]:
        """Those that one sees, by name."""
        return self._service.read(tuple[Project, ...], "GET", "projects")

    def add(self, name: str, quotas: Quotas | None = None) -> Project:
        """Make one."""
        body = {"name": name, "quotas": (quotas or Quotas()).model_dump()}
        return self._service.read(Project, "POST", "projects", json=body)

    def usage(self, project: str) -> ProjectUsage:
        """What its runs take now."""
        return ProjectUsage.model_validate(self._service.ask("GET", _named(project)).json()["usage"])

    def limit(self, project: str, quotas: Quotas) -> Project:
        """Say what its runs may take together, instead of what was said before."""
        return self._service.read(Project, "PUT", f"{_named(project)}/quotas", json=quotas.model_dump())

    def remove(self, project: str) -> None:
        """Remove one without runs."""
        self._service.ask("DELETE", _named(project))

    def members(self, project: str) -> tuple[Member, ...]:
        """Who sees it besides admins."""
        return self._service.read(tuple[Member, ...], "GET", f"{_named(project)}/members")

    def put_member(self, project: str, user: str, *, role: RoleName) -> Member:
        """Let somebody see it, and do there what the role may."""
        return self._service.read(
            Member, "PUT", f"{_named(project)}/members/{quote(user, safe='')}", json={"role": role}
        )

    def drop_member(self, project: str, user: str) -> None:
        """Have somebody see nothing of it any more."""
        self._service.ask("DELETE", f"{_named(project)}/members/{quote(user, safe='')}")


def _named(project: str) -> str:
    return f"projects/{quote(project, safe='')}"
