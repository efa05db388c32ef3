"""An OpenID Connect provider as a relying party meets it: where it is, the way there, and the checked claims it sends.

Authorization code with PKCE (RFC 7636), state and nonce; the protocol itself is Authlib's.
"""

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, BaseModel, SecretStr, ValidationError

from macrohard.domain import Diagnosis, Value
from macrohard.errors import LoginRefused, RequestError
from macrohard.settings import Settings
from macrohard.settings.oidc import OidcSettings, safe_address

if TYPE_CHECKING:
    import httpx2
    from authlib.integrations.starlette_client import StarletteOAuth2App

RETURN = "/login/oidc/return"
"""Where the provider sends browsers back to; it has to be registered there."""
ERRAND_SECONDS = 600
"""How long somebody may take at the provider."""
TIMEOUT_SECONDS = 10.0
SKEW_SECONDS = 60
"""How far the provider's clock may be from ours."""
SIGNATURES = frozenset(
    ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519", "EdDSA")
)
"""Those that only the provider can make: "none" is none, and HS256's key is one that we have too."""
SECRET = "MACROHARD_OIDC_CLIENT_SECRET"

log = logging.getLogger("macrohard.server")

Address = Annotated[str, AfterValidator(safe_address)]


class Errand(Value):
    """A login that was begun, as the browser that began it keeps it."""

    state: str
    nonce: str
    verifier: str
    """Of which the provider was shown the hash."""
    redirect_uri: str
    to: str
    """The page that was asked for."""


class _Discovered(BaseModel):
    """What the provider says of itself (OpenID Connect Discovery 1.0); all else of it is of no use here."""

    issuer: str
    authorization_endpoint: Address
    token_endpoint: Address
    jwks_uri: Address
    userinfo_endpoint: Address | None = None
    end_session_endpoint: Address | None = None
    id_token_signing_alg_values_supported: tuple[str, ...] = ("RS256",)
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)
    code_challenge_methods_supported: tuple[str, ...] = ("S256",)


class Provider:
    """What stands in `[oidc]`; it is asked anew where it is and by which keys it signs for each login."""

    def __init__(self, settings: OidcSettings, secret: SecretStr | None) -> None:
        """Make ready; nobody is asked yet.

        Raises:
            RequestError: the extra is not installed, or there is no secret.
        """
        try:
            import authlib.integrations.starlette_client  # noqa: F401  # only whether it is there
        except ModuleNotFoundError as error:
            raise RequestError(
                f"[oidc] is set, and {error.name} is not installed: pip install 'macrohard[oidc]'"
            ) from error
        if secret is None or not secret.get_secret_value():
            raise RequestError(f"[oidc] is set, and the client's secret is not: set {SECRET}, or {SECRET}_FILE")
        self.settings, self._secret = settings, secret
        self.title = settings.called
        self.used = Used(seconds=ERRAND_SECONDS)
        """The states of errands that are over."""

    async def begin(self, redirect_uri: str, to: str) -> tuple[str, Errand]:
        """The address to send a browser to, and what it has to keep until it is back.

        Raises:
            LoginRefused: the provider does not answer, or is not as the settings say.
        """
        found = await self._discovered()
        with self._told():
            way = await self._client(found).create_authorization_url(redirect_uri)
        return way["url"], Errand(
            state=way["state"], nonce=way["nonce"], verifier=way["code_verifier"], redirect_uri=redirect_uri, to=to
        )

    async def finish(self, errand: Errand, code: str) -> Mapping[str, Any]:
        """What the provider says of who came back: the ID token's claims, and what only its userinfo has.

        Raises:
            LoginRefused: the provider does not answer or refuses, or what it sent is not to be believed.
        """
        found = await self._discovered()
        client = self._client(found)
        with self._told():
            token = await client.fetch_access_token(  # type: ignore[no-untyped-call]  # not in its stubs
                redirect_uri=errand.redirect_uri, code=code, code_verifier=errand.verifier
            )
            claims = await client.parse_id_token(
                token,
                nonce=errand.nonce,
                claims_options={
                    "iss": {"essential": True, "value": found.issuer},
                    "aud": {"essential": True, "value": self.settings.client_id},
                },
                leeway=SKEW_SECONDS,
            )
            if claims is None:
                raise LoginRefused(
                    f"{self.title} sent no ID token; an admin of this service has to register it there as an "
                    "OpenID Connect client",
                    status=502,
                )
            said = dict(claims)
            if found.userinfo_endpoint and self._wanted() - said.keys():
                more = dict(await client.userinfo(token=token))
                if more.get("sub") != said["sub"]:
                    raise LoginRefused(f"{self.title} mixed two people up; log in again", status=502)
                said = {**more, **said}
        return said

    async def way_out(self) -> str | None:
        """Where one logs out of the provider; None: it has no such place.

        Raises:
            LoginRefused: the provider does not answer, or is not as the settings say.
        """
        import httpx2

        end = (await self._discovered()).end_session_endpoint
        return None if end is None else str(httpx2.URL(end).copy_merge_params({"client_id": self.settings.client_id}))

    async def diagnose(self, *redirect_uris: str) -> Diagnosis:
        """Whether people could log in, as far as can be seen without one, and what has to be registered."""
        check, register = f"login by {self.title}", f"register there: {' or '.join(redirect_uris)}"
        try:
            found = await self._discovered()
            with self._told():
                keys = await self._client(found).fetch_jwk_set()
        except LoginRefused as error:
            return Diagnosis(check=check, ok=False, detail=f"{error} ({error.cause})", advice=register)
        problems = []
        if not keys.get("keys"):
            problems.append("it publishes no keys")
        if not SIGNATURES.intersection(found.id_token_signing_alg_values_supported):
            problems.append(f"it signs by {', '.join(found.id_token_signing_alg_values_supported)} only")
        if "S256" not in found.code_challenge_methods_supported:
            problems.append("it does not know PKCE's S256")
        if problems:
            return Diagnosis(check=check, ok=False, detail="; ".join(problems), advice="ask who runs it")
        return Diagnosis(check=check, ok=True, detail=f"{found.issuer} answers; {register}")

    def _wanted(self) -> set[str]:
        """The claims without which it cannot be said who somebody is, and what they may do."""
        settings = self.settings
        wanted = {settings.name_claim, *settings.require}
        if any(settings.roles.values()):
            wanted.add(settings.groups_claim.partition(".")[0])
        if settings.domains or settings.adopt_by_email:
            wanted |= {"email", "email_verified"}
        return wanted

    async def _discovered(self) -> _Discovered:
        import httpx2

        address = f"{self.settings.issuer.rstrip('/')}/.well-known/openid-configuration"
        with self._told(said_by=address):
            async with httpx2.AsyncClient(timeout=TIMEOUT_SECONDS) as client:
                answer = await client.get(address)
            answer.raise_for_status()
            found = _Discovered.model_validate_json(answer.content)
        if found.issuer != self.settings.issuer:
            raise LoginRefused(
                f"{self.title} calls itself {found.issuer!r}; an admin of this service has to set oidc.issuer to that",
                status=502,
            )
        self._compare_clocks(answer)
        return found

    def _compare_clocks(self, answer: "httpx2.Response") -> None:
        try:
            apart = abs((datetime.now(UTC) - parsedate_to_datetime(answer.headers.get("date", ""))).total_seconds())
        except (ValueError, TypeError):
            return  # It says no time; its tokens will.
        if apart > SKEW_SECONDS and "age" not in answer.headers:
            raise LoginRefused(
                f"the clocks of {self.title} and of this service are {apart:.0f} s apart; who runs this machine has to "
                "set its clock",
                status=502,
            )

    def _client(self, found: _Discovered) -> "StarletteOAuth2App":
        from authlib.integrations.starlette_client import OAuth

        methods = found.token_endpoint_auth_methods_supported
        post = "client_secret_post" in methods and "client_secret_basic" not in methods
        client: StarletteOAuth2App = OAuth().register(
            "oidc",
            client_id=self.settings.client_id,
            client_secret=self._secret.get_secret_value(),
            client_kwargs={
                "scope": " ".join(("openid", *self.settings.scopes)),
                "code_challenge_method": "S256",
                "token_endpoint_auth_method": "client_secret_post" if post else "client_secret_basic",
                "timeout": TIMEOUT_SECONDS,
            },
            issuer=found.issuer,
            authorization_endpoint=found.authorization_endpoint,
            token_endpoint=found.token_endpoint,
            jwks_uri=found.jwks_uri,
            userinfo_endpoint=found.userinfo_endpoint,
            id_token_signing_alg_values_supported=sorted(
                SIGNATURES.intersection(found.id_token_signing_alg_values_supported)
            ),
        )
        return client

    @contextmanager
    def _told(self, said_by: str = "") -> Iterator[None]:
        """Whatever goes wrong with the provider becomes a refusal that says who has to act; its words go to the log."""
        import httpx2
        from authlib.integrations.starlette_client import OAuthError
        from joserfc.errors import ClaimError, JoseError

        title, admin = self.title, "an admin of this service"
        try:
            yield
        except LoginRefused:
            raise
        except OAuthError as error:
            raise refusal_of(title, str(error.error), cause=str(error.description or "")) from error
        except httpx2.HTTPStatusError as error:
            status = error.response.status_code
            if said_by and status < 500:
                text = f"there is no OpenID Connect provider at {self.settings.issuer}; {admin} has to mend oidc.issuer"
                raise LoginRefused(text, status=502, cause=str(error)) from error
            text = f"{title} is out of order (HTTP {status}); try again later, and tell who runs it if it stays so"
            raise LoginRefused(text, status=503, cause=str(error)) from error
        except httpx2.HTTPError as error:
            text = f"{title} does not answer; try again later, and tell who runs it or your network if it stays so"
            raise LoginRefused(text, status=503, cause=f"{type(error).__name__}: {error}") from error
        except ClaimError as error:
            if error.claim in ("exp", "iat", "nbf"):
                text = f"what {title} sent is not of now; who runs this machine has to see to its clock"
            elif error.claim == "nonce":
                text = f"{title} answered to another login; log in again"
            else:
                text = (
                    f"what {title} sent is not for this service ({error.claim}); {admin} has to compare [oidc] with it"
                )
            raise LoginRefused(text, status=502, cause=str(error)) from error
        except (JoseError, ValidationError, ValueError) as error:
            what = f"what {said_by or title} sent is not what OpenID Connect asks for"
            raise LoginRefused(
                f"{what}; {admin} has to look at oidc.issuer and tell who runs {title}", status=502,
                cause=f"{type(error).__name__}: {error}",
            ) from error  # fmt: skip


def refusal_of(title: str, error: str, *, cause: str) -> LoginRefused:
    """What a provider's error code (RFC 6749, OpenID Connect Core 1.0) means, and who has to act."""
    admin = "an admin of this service"
    match error:
        case "access_denied":
            text = f"{title} did not let you in here, or you did not want it to; ask who runs {title}"
            return LoginRefused(text, status=403, cause=cause)
        case "invalid_grant":
            text = (
                f"{title} does not take this login: it was used before, or took too long. Log in again; if it stays "
                f"so, {admin} has to compare the redirect address that is registered at {title} (macrohard doctor)"
            )
            return LoginRefused(text, status=400, cause=cause)
        case "invalid_client" | "unauthorized_client":
            text = f"{title} does not take this service's id or secret; {admin} has to set oidc.client_id and {SECRET}"
            return LoginRefused(text, status=502, cause=cause)
        case "server_error" | "temporarily_unavailable":
            text = f"{title} is out of order; try again later, and tell who runs it if it stays so"
            return LoginRefused(text, status=503, cause=cause)
        case "login_required" | "interaction_required" | "consent_required" | "account_selection_required":
            return LoginRefused(f"{title} wants to ask you something first; log in there, then here", status=400)
    return LoginRefused(
        f"{title} refused to answer; {admin} finds its reason in the service's log, and has to compare [oidc] with "
        f"what is registered at {title}",
        status=502,
        cause=f"{error[:100]}: {cause}",
    )


def provider_of(settings: Settings) -> Provider | None:
    """The provider of the settings; None: there is none.

    Raises:
        RequestError: see `Provider`.
    """
    return None if settings.oidc is None else Provider(settings.oidc, settings.oidc_client_secret)


class Used:
    """What was used once, for as long as it would be good for; every process remembers for itself."""

    def __init__(self, *, seconds: float) -> None:
        self._seconds = seconds
        self._until: dict[str, float] = {}

    def first(self, word: str) -> bool:
        """Whether it comes for the first time; from now on it does not."""
        now = time.monotonic()
        self._until = {each: until for each, until in self._until.items() if until > now}
        if word in self._until:
            return False
        self._until[word] = now + self._seconds
        return True
