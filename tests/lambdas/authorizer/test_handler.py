"""Only a token of the issuer, for this API, in its time, opens anything, and then what its scopes say."""

from __future__ import annotations

import base64
import hmac
import json
import threading
from fnmatch import fnmatchcase
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey

from lambdas.authorizer.keys import Keys, KeysUnavailableError, download
from lambdas.authorizer.policy import OPENED, policy
from lambdas.authorizer.token import InvalidTokenError, Verifier
from openapi.operations import OPERATIONS

ISSUER, AUDIENCE, NOW = "https://issuer.example/pool", "cxr", 1_800_000_000
METHOD = "arn:aws:execute-api:us-east-1:123456789012:abcdef/api/POST/v1/predictions"
CLAIMS = {"iss": ISSUER, "aud": AUDIENCE, "sub": "reader", "exp": NOW + 600, "scope": "openid predict"}


@pytest.fixture(scope="module")
def rsa():
    return RSAKey.generate_key(2048, {"kid": "first", "use": "sig"})


@pytest.fixture(scope="module")
def another():
    return RSAKey.generate_key(2048, {"kid": "first", "use": "sig"})


class Issuer:
    """The documents of an issuer, and how often each was asked for."""

    def __init__(self, *keys, issuer=ISSUER):
        self.keys, self.issuer, self.asked, self.error = keys, issuer, [], None

    def fetch(self, url):
        self.asked.append(url)
        if self.error:
            raise self.error
        if url == f"{ISSUER}/.well-known/openid-configuration":
            return {"issuer": self.issuer, "jwks_uri": "https://issuer.example/keys"}
        assert url == "https://issuer.example/keys"
        return KeySet(list(self.keys)).as_dict(private=False)


def verifier(*keys, now=NOW):
    return Verifier(Keys(ISSUER, Issuer(*keys).fetch, clock=lambda: 0.0), ISSUER, AUDIENCE, clock=lambda: now)


def token(key, claims=CLAIMS, *, algorithm="RS256", kid="first", **header):
    return "Bearer " + jwt.encode({"alg": algorithm, "kid": kid, **header}, claims, key, algorithms=[algorithm])


def part(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def without(name):
    return {claim: value for claim, value in CLAIMS.items() if claim != name}


def test_a_good_token_says_who_and_what(rsa):
    bearer = verifier(rsa).bearer(token(rsa))
    assert (bearer.subject, bearer.scopes) == ("reader", {"openid", "predict"})


@pytest.mark.parametrize(
    ("claims", "scopes"),
    [
        ({**without("scope"), "scp": ["predict", "upload"]}, {"predict", "upload"}),
        ({**without("scope"), "scp": "predict"}, {"predict"}),
        (without("scope"), set()),
        ({**CLAIMS, "aud": ["other", AUDIENCE]}, {"openid", "predict"}),
        # Access tokens of Amazon Cognito.
        ({**without("aud"), "client_id": AUDIENCE}, {"openid", "predict"}),
        ({**CLAIMS, "exp": NOW - 29}, {"openid", "predict"}),
        ({**CLAIMS, "nbf": NOW + 29}, {"openid", "predict"}),
    ],
)
def test_forms_that_issuers_give_their_tokens(rsa, claims, scopes):
    assert verifier(rsa).bearer(token(rsa, claims)).scopes == scopes


@pytest.mark.parametrize(
    "claims",
    [
        *({**CLAIMS, "exp": NOW - 30}, without("exp"), {**CLAIMS, "exp": "tomorrow"}, {**CLAIMS, "nbf": NOW + 31}),
        *({**CLAIMS, "iss": "https://evil.example"}, {**CLAIMS, "iss": ISSUER + "/"}, without("iss")),
        *({**CLAIMS, "aud": "other"}, {**CLAIMS, "aud": []}, without("aud")),
        # Somebody else's audience is not made good by a client that asked for the token.
        {**CLAIMS, "aud": "other", "client_id": AUDIENCE},
        *(without("sub"), {**CLAIMS, "sub": ""}, {**CLAIMS, "sub": 7}),
    ],
)
def test_a_token_that_proves_something_else_is_refused(rsa, claims):
    with pytest.raises(InvalidTokenError):
        verifier(rsa).bearer(token(rsa, claims))


def test_a_token_signed_by_somebody_else_is_refused(rsa, another):
    with pytest.raises(InvalidTokenError):
        verifier(rsa).bearer(token(another))


def test_a_key_of_another_kind_works_too():
    key = ECKey.generate_key("P-256", {"kid": "first"})
    assert verifier(key).bearer(token(key, algorithm="ES256")).subject == "reader"


def test_a_changed_token_is_refused(rsa):
    head, _, signature = token(rsa).split(".")
    with pytest.raises(InvalidTokenError):
        verifier(rsa).bearer(f"{head}.{part({**CLAIMS, 'scope': 'feedback'})}.{signature}")


def test_a_token_that_needs_no_signature_is_refused(rsa):
    for algorithm in ("none", "None", "nOnE"):
        with pytest.raises(InvalidTokenError):
            verifier(rsa).bearer(f"Bearer {part({'alg': algorithm, 'kid': 'first'})}.{part(CLAIMS)}.")


def test_the_public_key_is_no_shared_secret(rsa):
    """RFC 8725, 2.1: a token signed with HMAC and the public key, which everybody has."""
    signed = f"{part({'alg': 'HS256', 'kid': 'first'})}.{part(CLAIMS)}"
    digest = hmac.digest(rsa.as_pem(private=False), signed.encode(), "sha256")
    with pytest.raises(InvalidTokenError):
        verifier(rsa).bearer(f"Bearer {signed}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}")


def test_a_key_that_a_token_brings_along_is_not_used(rsa, another):
    with pytest.raises(InvalidTokenError):
        verifier(rsa).bearer(token(another, jwk=another.as_dict(private=False)))


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Basic dTpw", "Bearer a.b", "Bearer a.b.c", "Bearer ü.b.c", "x" * 9000]
)
def test_what_is_no_token_is_refused(rsa, header):
    with pytest.raises(InvalidTokenError):
        verifier(rsa).bearer(header)


def test_why_a_token_was_refused_repeats_nothing_of_it(rsa):
    with pytest.raises(InvalidTokenError) as raised:
        verifier(rsa).bearer(token(rsa, {**CLAIMS, "aud": "SECRET"}))
    assert "SECRET" not in str(raised.value)


class TestKeys:
    def keys(self, issuer):
        self.now = [0.0]
        return Keys(ISSUER, issuer.fetch, clock=lambda: self.now[0])

    def test_they_are_fetched_once_an_hour(self, rsa):
        issuer = Issuer(rsa)
        keys = self.keys(issuer)
        for _ in range(5):
            keys.with_key("first")
        assert len(issuer.asked) == 2
        self.now[0] = 3600.0
        keys.with_key("first")
        assert len(issuer.asked) == 4

    def test_an_unknown_key_is_looked_for_once_a_minute(self, rsa, another):
        """A rotation has to be noticed, and made-up tokens must not become requests to the issuer."""
        issuer = Issuer(rsa)
        keys = self.keys(issuer)
        keys.with_key("first")
        for _ in range(5):
            keys.with_key("made-up")
        assert len(issuer.asked) == 2
        issuer.keys = (RSAKey.import_key({**another.as_dict(), "kid": "second"}),)
        self.now[0] = 60.0
        assert [key.kid for key in keys.with_key("second").keys] == ["second"]

    def test_known_keys_are_better_than_an_issuer_that_does_not_answer(self, rsa):
        issuer = Issuer(rsa)
        keys = self.keys(issuer)
        keys.with_key("first")
        issuer.error, self.now[0] = OSError("no route"), 3600.0
        assert keys.with_key("first")

    def test_an_issuer_that_does_not_answer_is_asked_once_a_minute(self, rsa):
        """Every request would wait for the timeout, those with good tokens and those with made-up ones."""
        issuer = Issuer(rsa)
        keys = self.keys(issuer)
        keys.with_key("first")
        issuer.error, self.now[0] = OSError("no route"), 3600.0
        for key_id in ("first", "made-up", "first", "made-up"):
            keys.with_key(key_id)
        assert len(issuer.asked) == 3
        issuer.error, self.now[0] = None, 3660.0
        keys.with_key("first")
        assert len(issuer.asked) == 5

    @pytest.mark.parametrize("error", [OSError("no route"), ValueError("no JSON"), KeyError("jwks_uri")])
    def test_without_any_keys_nobody_is_told_that_a_token_is_bad(self, rsa, error):
        issuer = Issuer(rsa)
        issuer.error = error
        with pytest.raises(KeysUnavailableError):
            self.keys(issuer).with_key("first")

    def test_a_document_of_another_issuer_is_not_believed(self, rsa):
        """OpenID Connect Discovery 1.0, 4.3."""
        with pytest.raises(KeysUnavailableError):
            self.keys(Issuer(rsa, issuer="https://evil.example")).with_key("first")

    @pytest.mark.parametrize("url", ["http://issuer.example/keys", "file:///etc/passwd", "ftp://issuer.example/keys"])
    def test_keys_come_over_tls_only(self, url):
        with pytest.raises(ValueError, match="https"):
            download(url)

    @pytest.mark.parametrize(("path", "found"), [("/keys", {"keys": []}), ("/moved", {"keys": []}), ("/away", None)])
    def test_a_redirect_does_not_leave_tls(self, redirecting, path, found):
        if found is None:
            with pytest.raises(ValueError, match="https"):
                download(f"{redirecting}{path}")
        else:
            assert download(f"{redirecting}{path}") == found


class Redirecting(BaseHTTPRequestHandler):
    """Keys at one path of this machine, and redirects to them and to plain http elsewhere."""

    def do_GET(self):
        if self.path == "/keys":
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"keys": []}')
        else:
            self.send_response(302)
            self.send_header("Location", "/keys" if self.path == "/moved" else "http://issuer.example/keys")
            self.end_headers()

    def log_message(self, *_arguments):
        """Keep the test's output for the test."""


@pytest.fixture
def redirecting():
    with HTTPServer(("127.0.0.1", 0), Redirecting) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def opened(scopes, prefix=""):
    (statement,) = policy("reader", frozenset(scopes), prefix=prefix, method_arn=METHOD)["policyDocument"]["Statement"]
    return statement


def requests(security):
    return [
        f"{operation.method.upper()}{operation.path.replace('{prediction_id}', '6a0fda63')}"
        for operation in OPERATIONS
        if operation.security == security
    ]


@pytest.mark.parametrize("scope", OPENED)
def test_a_scope_opens_what_the_api_says_and_nothing_of_other_scopes(scope):
    statement = opened({scope})
    assert statement["Effect"] == "Allow"
    for name in OPENED:
        for request in requests(name):
            arn = f"arn:aws:execute-api:us-east-1:123456789012:abcdef/api/{request}"
            assert any(fnmatchcase(arn, pattern) for pattern in statement["Resource"]) == (name == scope), request


def test_every_operation_that_takes_leave_has_a_scope():
    assert {operation.security for operation in OPERATIONS} == {"none", *OPENED}


def test_the_policy_is_about_one_stage_of_one_api():
    for pattern in opened(OPENED)["Resource"]:
        assert pattern.startswith("arn:aws:execute-api:us-east-1:123456789012:abcdef/api/")


@pytest.mark.parametrize("scopes", [set(), {"openid"}, {"Predict"}, {"cxr/predict"}])
def test_without_a_scope_of_ours_everything_is_denied(scopes):
    assert opened(scopes)["Effect"] == "Deny"


def test_scopes_begin_as_the_settings_say():
    assert opened({"cxr/predict"}, "cxr/")["Effect"] == "Allow"
    assert opened({"predict"}, "cxr/")["Effect"] == "Deny"


class TestHandler:
    @pytest.fixture
    def authorize(self, load_handler, context, monkeypatch):
        module, handle = load_handler(
            "lambdas.authorizer.handler.handle", ISSUER=ISSUER, AUDIENCE=AUDIENCE, SCOPE_PREFIX=""
        )

        def authorized(found, authorization):
            monkeypatch.setattr(module, "verifier", lambda: found)
            return handle({"type": "TOKEN", "authorizationToken": authorization, "methodArn": METHOD}, context)

        return authorized

    def test_a_good_token_is_answered_with_a_policy(self, authorize, rsa):
        answer = authorize(verifier(rsa), token(rsa))
        assert answer["principalId"] == "reader"
        assert METHOD in answer["policyDocument"]["Statement"][0]["Resource"]

    def test_a_bad_token_is_answered_with_the_gateway_s_word(self, authorize, rsa, another):
        with pytest.raises(Exception, match=r"^Unauthorized$"):
            authorize(verifier(rsa), token(another))

    def test_an_issuer_that_does_not_answer_is_another_failure(self, authorize, rsa):
        issuer = Issuer(rsa)
        issuer.error = OSError("no route")
        found = Verifier(Keys(ISSUER, issuer.fetch), ISSUER, AUDIENCE, clock=lambda: NOW)
        with pytest.raises(KeysUnavailableError):
            authorize(found, token(rsa))


def test_the_function_imports_nothing_else_of_the_project():
    """It decides who comes in: what it is made of has to be seen at a glance."""
    folder = Path(__file__).parents[3] / "lambdas" / "authorizer"
    imported = {
        line.split()[1]
        for path in folder.glob("*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.startswith(("from lambdas", "import lambdas"))
    }
    imported.remove("lambdas.aws.environment")  # how any function reads its variables
    assert {name.rpartition(".")[0] for name in imported} == {"lambdas.authorizer"}
