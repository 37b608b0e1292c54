#!/usr/bin/env python3
"""Makes delegation tokens with PyJWT, good ones and bad ones; prints them as JSON with what was put into each.

Keys are made from fixed seeds and Ed25519 signs the same text alike, so that the output is the same each time; signatures of
other algorithms, which are not, are left in the file as they are: `tokens.json` is this output, once."""

import base64
import hashlib
import hmac
import json
import pathlib
import sys

import jwt
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

TYPE = {"typ": "rex-delegation+jwt", "kid": "k1"}
ISSUER = "https://idp.example"
AUDIENCE = "rex-broker:host-17"
# From 2023 to 2100.
TIMES = {"iat": 1_700_000_000, "exp": 4_102_444_800}


def private(number):
    return ed25519.Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)


def public(key):
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def encoded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def jwk(key, name):
    return {"kty": "OKP", "crv": "Ed25519", "kid": name, "use": "sig", "alg": "EdDSA", "x": encoded(public(key))}


def claims(jti, **more):
    return {"iss": ISSUER, "aud": AUDIENCE, "sub": "alice@corp.example", **TIMES, "jti": jti, **more}


def unsigned(header, payload):
    return ".".join(encoded(json.dumps(part, separators=(",", ":")).encode()) for part in (header, payload))


def main():
    key = private(17)
    tokens = {}

    def signed(name, payload, signer=key, header=None):
        token = jwt.encode(payload, signer, algorithm="EdDSA", headers=TYPE if header is None else header)
        tokens[name] = {"claims": payload, "token": token}

    agent = {"sub": "spiffe://corp.example/agent/billing", "model": "vendor/m-5", "inst": "run-81f2",
             "act": {"sub": "spiffe://corp.example/agent/planner"}}
    signed("full", claims("full", act=agent, purpose="claims", ticket="INC-4711", groups=["billing"],
                          tags={"dept": "billing"}, cnf={"uid": 1000}))
    signed("least", claims("least"))
    # For runs of the broker by root.
    root = {"cnf": {"uid": 0}}
    signed("root", claims("root", act=agent, purpose="claims", ticket="INC-4711", groups=["billing"],
                          tags={"dept": "billing"}, **root))
    for purpose in ["claims", "payment", "payment/refund", "marketing", "treatment"]:
        signed(f"for {purpose}", claims(f"for {purpose}", act=agent, purpose=purpose, **root))
    signed("no purpose", claims("no purpose", **root))
    signed("inner forged", claims("inner forged", purpose="claims", ticket="INC-4711", groups=["billing"],
                                  tags={"dept": "billing"}, **root,
                                  act={**agent, "act": {"sub": "root", "model": "vendor/m-9"}}))
    signed("deeper", claims("deeper", purpose="claims", ticket="INC-4711", groups=["billing"], tags={"dept": "billing"}, **root,
                            act={**agent, "act": {"sub": "a", "act": {"sub": "b"}}}))
    signed("expired", {**claims("expired", **root), "exp": 1_700_000_900})
    signed("wrong audience", {**claims("wrong audience", **root), "aud": "rex-broker:host-18"})
    signed("other user", claims("other user", cnf={"uid": 5012}))
    signed("any user", claims("any user", purpose="claims", groups=["billing"]))
    # Of one name, and with other rights.
    signed("replayed", claims("root", act=agent, purpose="treatment", groups=["billing", "admin"], **root))
    signed("one script", claims("one script", groups=["billing"], purpose="claims", **root,
                                script="sha256:" + hashlib.sha256(b"cat(\"/srv/personal/a\")\n").hexdigest()))

    signed("other_key", claims("other_key"), private(18))
    signed("plain_jwt", claims("plain_jwt"), header={"kid": "k1"})
    signed("detached_crit", claims("detached_crit"), header={**TYPE, "crit": ["exp"]})
    payload = claims("none")
    tokens["none"] = {"claims": payload, "token": jwt.encode(payload, None, algorithm="none", headers=TYPE)}
    # The public key, which everybody has, as the secret of another algorithm (RFC 8725, 2.1); PyJWT refuses to sign so.
    payload = claims("hs256")
    head = unsigned({"alg": "HS256", **TYPE}, payload)
    code = hmac.new(public(key), head.encode(), hashlib.sha256).digest()
    tokens["hs256_with_the_public_key"] = {"claims": payload, "token": f"{head}.{encoded(code)}"}
    # Signatures with random numbers in them: kept as they were made once.
    kept = json.loads((pathlib.Path(__file__).parent / "other_algorithms.json").read_text(encoding="utf-8"))
    for name in ["es256", "rs256"]:
        tokens[name] = kept[name]

    json.dump({"jwks": {"keys": [jwk(key, "k1")]}, "tokens": tokens}, sys.stdout, indent=1, ensure_ascii=True)
    print()


if __name__ == "__main__":
    main()
