"""Asks the store for what it has to tell us (RFC 8936): decrypts, verifies, prints, acknowledges with the next poll."""

import argparse
import base64
import json
import time
from pathlib import Path

import httpx2
from joserfc import jwe, jwk, jws
from joserfc.errors import JoseError


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


def access_token(client, args, private):
    """A header with an access token, for an assertion that we signed: private_key_jwt (RFC 7523)."""
    key, who, now = next(key for key in private if key.curve_name == "Ed25519"), args.partner, int(time.time())
    said = {"iss": who, "sub": who, "aud": args.token_url, "iat": now, "exp": now + 60, "jti": str(time.time_ns())}
    signed = jws.serialize_compact({"alg": "Ed25519", "typ": "JWT", "kid": key.kid}, json.dumps(said), key, ["Ed25519"])
    kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    form = {"grant_type": "client_credentials", "client_assertion_type": kind, "client_assertion": signed}
    answer = client.post(args.token_url, data=form)
    token = answer.json()["access_token"] if answer.is_success else parser.exit(1, f"{answer.url}: {answer.text}\n")
    return {"Authorization": f"Bearer {token}"}


parser = argparse.ArgumentParser(description=__doc__)
for name in ("partner", "issuer", "keys", "jwks", "token-url", "poll-url", "checkpoints"):
    parser.add_argument(f"--{name}", required=name != "checkpoints", default=".")
parser.add_argument("--once", action="store_true", help="stop when there is nothing more")
args, client, bearer, seen, sets = parser.parse_args(), httpx2.Client(timeout=60), {}, set(), True
private, ask = jwk.KeySet.import_key_set(json.loads(Path(args.keys).read_text())), {"returnImmediately": args.once}
while sets or not args.once:
    if (answer := client.post(args.poll_url, json=ask, headers=bearer)).status_code == 401:  # none yet, or it has ended
        answer = client.post(args.poll_url, json=ask, headers=(bearer := access_token(client, args, private)))
    sets = answer.json()["sets"] if answer.is_success else parser.exit(1, f"{answer.url}: {answer.text}\n")
    ask = {"returnImmediately": args.once, "ack": [], "setErrs": {}}
    for jti, sealed in sets.items():
        jwks = jwk.KeySet.import_key_set(json.loads(Path(args.jwks).read_text()))  # anew: the store's keys change
        claims, error = opened(sealed, private, jwks, args.issuer, args.partner)
        if claims and jti not in seen:  # yours is a table: a message may come again, always with the same jti
            print(json.dumps(claims), flush=True)
            seen.add(jti)
        ask["ack"] += [jti] if claims else []
        ask["setErrs"] |= {jti: {"err": error, "description": "not taken"}} if error else {}
    if note := base64.urlsafe_b64decode(answer.headers.get("Amana-Checkpoint", "")):
        Path(args.checkpoints, f"{int(note.split()[1])}.checkpoint").write_bytes(note)
