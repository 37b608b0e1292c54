"""Verifies a sealed log and its proofs with packages that nobody here wrote: aics-tlog, dnsid, aics-witness.

peer.py log DIR VKEY [OLDER]          every record, all tiles, and that the log goes on from the older checkpoint
peer.py proof FILE RECORD VKEY        one proof, for one record
peer.py witness DATABASE VKEY BODY    an add-checkpoint request; prints the cosignature, or the status it is refused with
peer.py witness-vkey                  the public key of that witness

Status 0 when it is accepted, else 1.
"""

import sys
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from aics_tlog.checkpoint import parse_checkpoint, verify_checkpoint
from aics_tlog.cosign import cosignature_vkey
from aics_tlog.note import format_vkey, parse_note, parse_vkey
from aics_tlog.tiles import FileSystemTileReader, consistency_proof_from_tiles
from aics_tlog.tree import verify_consistency
from aics_tlog.verified import VerifiedTileReader, audit_tiles
from aics_witness.config import LogConfig
from aics_witness.service import Witness, WitnessError
from aics_witness.store import WitnessStore
from dnsid.c2sp_tlog.errors import C2spTlogError
from dnsid.c2sp_tlog.policy import C2spTlogOriginPolicy, C2spTlogPolicy
from dnsid.c2sp_tlog.proof import verify_c2sp_tlog_proof

WITNESS = "witness.example"
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


class Refused(Exception):
    pass


def checkpoint(path, key):
    note = parse_note(Path(path).read_bytes())
    result = verify_checkpoint(note, key, expected_origin=key.name)
    if not result.log_ok or not result.ok:
        raise Refused(f"{path}: {result.error}")
    return parse_checkpoint(note.text)


def log(directory, vkey, older=None):
    key = parse_vkey(vkey)
    head = checkpoint(Path(directory) / "checkpoint", key)
    reader = FileSystemTileReader(directory)
    audit_tiles(reader, head.size, head.root, entries=True)
    verified = VerifiedTileReader(reader, head.size, head.root)
    for number in range(head.size):
        verified.entry(number)
    if older is not None:
        kept = checkpoint(older, key)
        if kept.size > head.size:
            raise Refused("the log was cut")
        proof = consistency_proof_from_tiles(verified, kept.size, head.size)
        if not verify_consistency(kept.size, head.size, kept.root, head.root, proof):
            raise Refused("the log does not go on from the older checkpoint")
    print("accepted:", head.size)


def proof(file, record, vkey):
    name = vkey.split("+")[0]
    policy = C2spTlogPolicy(origins={name: C2spTlogOriginPolicy(log_keys=[vkey])})
    entry = Path(record).read_bytes().removesuffix(b"\n")
    read = verify_c2sp_tlog_proof(entry, Path(file).read_text(), policy, origin=name)
    print("accepted:", read.index)


def witness(database, vkey, body):
    key = parse_vkey(vkey)
    with WitnessStore(database, create=True) as store:
        service = Witness(WITNESS, KEY, store, [LogConfig(origin=key.name, vkeys=(key,))])
        try:
            sys.stdout.write(service.add_checkpoint(Path(body).read_bytes()).decode())
        except WitnessError as error:
            raise Refused(f"{error.status} {error.message}") from error


def witness_vkey():
    print(format_vkey(cosignature_vkey(WITNESS, KEY.public_key())))


if __name__ == "__main__":
    commands = {"log": log, "proof": proof, "witness": witness, "witness-vkey": witness_vkey}
    try:
        commands[sys.argv[1]](*sys.argv[2:])
    except (Refused, C2spTlogError, ValueError, OSError, RuntimeError) as error:
        print(f"refused: {type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(1)
