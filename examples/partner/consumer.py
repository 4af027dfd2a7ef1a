"""Reads what the store tells us from Kafka: decrypts, verifies, prints, and acknowledges with a signature of ours."""

import argparse
import json
import secrets
import sys
import time
from pathlib import Path

from joserfc import jwe, jws
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from kafka import KafkaConsumer, KafkaProducer


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


def acknowledged(jti, private, issuer, partner):
    """What goes to share.<partner>.ack.v1: our signature, by the Ed25519 key in our set, on the id that we took."""
    key = next(key for key in private if key.curve_name == "Ed25519")
    said = {"iss": partner, "aud": issuer, "iat": int(time.time()), "jti": secrets.token_urlsafe(16), "acks": [jti]}
    header = {"alg": "Ed25519", "typ": "secevent-ack+jwt", "kid": key.kid}
    return jws.serialize_compact(header, json.dumps(said), key, algorithms=["Ed25519"]).encode()


parser = argparse.ArgumentParser(description=__doc__)
for name in ("partner", "issuer", "keys", "jwks", "brokers"):
    parser.add_argument(f"--{name}", required=True)
parser.add_argument("--config", help="JSON file of kafka-python settings: security_protocol, sasl_mechanism, ...")
parser.add_argument("--count", type=int, help="stop after so many messages")
args = parser.parse_args()
private, jwks = (KeySet.import_key_set(json.loads(Path(path).read_text())) for path in (args.keys, args.jwks))
config = {"bootstrap_servers": args.brokers, **(json.loads(Path(args.config).read_text()) if args.config else {})}
group = {"group_id": f"partner.{args.partner}", "enable_auto_commit": False, "auto_offset_reset": "earliest"}
consumer, producer = KafkaConsumer(f"share.{args.partner}.v1", **group, **config), KafkaProducer(**config)
seen = set()  # yours is a table: a message may come again, always with the same jti
while len(seen) != args.count:
    record = next(consumer)
    claims, error = opened(record.value, private, jwks, args.issuer, args.partner)
    if error:  # not acknowledged: the store will ask
        print(f"not taken: {record.topic} {record.partition}/{record.offset}: {error}", file=sys.stderr)
    else:
        if claims["jti"] not in seen:
            print(json.dumps(claims), flush=True)
        seen.add(claims["jti"])
        answer = acknowledged(claims["jti"], private, args.issuer, args.partner)
        producer.send(f"share.{args.partner}.ack.v1", answer).get(30)
    consumer.commit()  # after the acknowledgement: a crash repeats, and loses nothing
