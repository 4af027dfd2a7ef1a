"""Asks the store for what it has to tell us (RFC 8936): decrypts, verifies, prints, acknowledges with the next poll."""

import argparse
import json
import secrets
import time
from pathlib import Path

import httpx
from joserfc import jwe, jws
from joserfc.errors import JoseError
from joserfc.jwk import KeySet


def opened(sealed, private, jwks, issuer, partner):
    """The claims of a token and None, or None and why it is not taken, in a word of RFC 8935."""
    try:
        signed = jwe.decrypt_compact(sealed, private, algorithms=["ECDH-ES", "A256GCM"]).plaintext
        token = jws.deserialize_compact(signed, jwks, algorithms=["Ed25519"])  # never one that the token chose
        typ, claims = token.headers()["typ"], json.loads(token.payload)
    except (JoseError, ValueError, KeyError, TypeError) as error:
        return None, "invalid_key" if isinstance(error, JoseError) else "invalid_request"
    if typ != "secevent+jwt" or claims["iss"] != issuer:
        return None, "invalid_issuer" if claims["iss"] != issuer else "invalid_request"
    return (claims, None) if claims["aud"] == partner else (None, "invalid_audience")


def access_token(client, url, private, partner):
    """An access token for a signed assertion: private_key_jwt (RFC 7523), by the Ed25519 key in our set."""
    key, now = next(key for key in private if key.curve_name == "Ed25519"), int(time.time())
    said = {"iss": partner, "sub": partner, "aud": url, "iat": now, "exp": now + 60, "jti": secrets.token_urlsafe(16)}
    header = {"alg": "Ed25519", "typ": "JWT", "kid": key.kid}
    assertion = jws.serialize_compact(header, json.dumps(said), key, algorithms=["Ed25519"])
    kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    form = {"grant_type": "client_credentials", "client_assertion_type": kind, "client_assertion": assertion}
    return client.post(url, data=form).raise_for_status().json()["access_token"]


parser = argparse.ArgumentParser(description=__doc__)
for name in ("partner", "issuer", "keys", "jwks", "token-url", "poll-url"):
    parser.add_argument(f"--{name}", required=True)
parser.add_argument("--once", action="store_true", help="stop when there is nothing more")
args = parser.parse_args()
private, jwks = (KeySet.import_key_set(json.loads(Path(path).read_text())) for path in (args.keys, args.jwks))
client, bearer, seen, sets, ask = httpx.Client(timeout=60), None, set(), True, {"returnImmediately": args.once}
while sets or not args.once:
    bearer = bearer or access_token(client, args.token_url, private, args.partner)
    answer = client.post(args.poll_url, json=ask, headers={"Authorization": f"Bearer {bearer}"})
    if answer.status_code == 401:  # the access token has expired: what was to be acknowledged is said again
        bearer = None
        continue
    sets, ask = answer.raise_for_status().json()["sets"], {"returnImmediately": args.once, "ack": [], "setErrs": {}}
    for jti, sealed in sets.items():
        claims, error = opened(sealed, private, jwks, args.issuer, args.partner)
        if claims and jti not in seen:  # yours is a table: a message may come again, always with the same jti
            print(json.dumps(claims), flush=True)
            seen.add(jti)
        ask["ack"] += [jti] if claims else []
        ask["setErrs"] |= {jti: {"err": error, "description": "not taken"}} if error else {}
