"""Reads what the store tells us from Kafka: decrypts, verifies, prints, acknowledges with a signature."""

import argparse
import json
import secrets
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


def signed(said, private, issuer, partner):
    """What goes to share.<partner>.ack.v1: our signature, by the Ed25519 key in our set, on what we say."""
    key = next(key for key in private if key.curve_name == "Ed25519")
    claims = {"iss": partner, "aud": issuer, "iat": int(time.time()), "jti": secrets.token_urlsafe(16), **said}
    header = {"alg": "Ed25519", "typ": "secevent-ack+jwt", "kid": key.kid}
    return jws.serialize_compact(header, json.dumps(claims), key, algorithms=["Ed25519"]).encode()


parser = argparse.ArgumentParser(description=__doc__)
for name in ("partner", "issuer", "keys", "jwks", "brokers", "checkpoints"):
    parser.add_argument(f"--{name}", required=name != "checkpoints", default=".")
parser.add_argument("--config", help="JSON file of kafka-python settings: security_protocol, sasl_mechanism, ...")
parser.add_argument("--count", type=int, help="stop after so many messages")
args = parser.parse_args()
private = KeySet.import_key_set(json.loads(Path(args.keys).read_text()))
config = {"bootstrap_servers": args.brokers, **(json.loads(Path(args.config).read_text()) if args.config else {})}
group = {"group_id": f"partner.{args.partner}", "enable_auto_commit": False, "auto_offset_reset": "earliest"}
consumer, producer = KafkaConsumer(f"share.{args.partner}.v1", **group, **config), KafkaProducer(**config)
seen = set()  # yours is a table: a message may come again, always with the same jti
while len(seen) != args.count:
    record = next(consumer)
    jwks = KeySet.import_key_set(json.loads(Path(args.jwks).read_text()))  # anew: the store's keys change
    claims, error = opened(record.value, private, jwks, args.issuer, args.partner)
    if claims and claims["jti"] not in seen:
        print(json.dumps(claims), flush=True)
        seen.add(claims["jti"])
    jti = record.key.decode()
    said = {"acks": [jti]} if claims else {"errs": {jti: {"err": error, "description": "not taken"}}}
    producer.send(f"share.{args.partner}.ack.v1", signed(said, private, args.issuer, args.partner)).get(30)
    for _, note in record.headers:  # a checkpoint: who keeps it sees later whether the ledger was rewritten
        Path(args.checkpoints, f"{int(note.split()[1])}.checkpoint").write_bytes(note)
    consumer.commit()  # after the acknowledgement: a crash repeats, and loses nothing
