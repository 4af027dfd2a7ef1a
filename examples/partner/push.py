"""Takes what the store sends us (RFC 8935): decrypts, verifies, prints, and acknowledges by its answer, 202 or 400."""

import argparse
import base64
import json
import ssl
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

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


class Receiver(BaseHTTPRequestHandler):
    timeout = 10  # seconds to send all of it

    def do_POST(self):
        """202 and nothing more for what was taken, 400 with a word for what was not."""
        sealed = self.rfile.read(min(int(n), 65_536) if (n := self.headers["Content-Length"] or "").isdecimal() else 0)
        jwks = KeySet.import_key_set(json.loads(Path(args.jwks).read_text()))  # anew: the store's keys change
        claims, error = opened(sealed, private, jwks, args.issuer, args.partner)
        if claims and claims["jti"] not in seen:  # yours is a table: a message may come again, with the same jti
            print(json.dumps(claims), flush=True)
            seen.add(claims["jti"])
        if claims and (note := base64.urlsafe_b64decode(self.headers["Amana-Checkpoint"] or "")):
            Path(args.checkpoints, f"{int(note.split()[1])}.checkpoint").write_bytes(note)
        self.send_response(400 if error else 202)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps({"err": error, "description": "not taken"}).encode() if error else b"")


parser = argparse.ArgumentParser(description=__doc__)
for name in ("partner", "issuer", "keys", "jwks", "checkpoints"):
    parser.add_argument(f"--{name}", required=name != "checkpoints", default=".")
parser.add_argument("--port", type=int, default=8443)
parser.add_argument("--tls", nargs=2, metavar=("CERT", "KEY"), help="needed but for a try on this machine")
args = parser.parse_args()
private = KeySet.import_key_set(json.loads(Path(args.keys).read_text()))
seen, server = set(), ThreadingHTTPServer(("" if args.tls else "127.0.0.1", args.port), Receiver)
if args.tls:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*args.tls)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
server.serve_forever()
