"""Seals a value as common/seal.h says, with code that is not ours: 1, kid length, kid, iv, ciphertext and tag."""

import os

from cryptography.hazmat.primitives.ciphers.aead import AESGCM


def seal(key_file, aad, plain):
    kid, key = next(line for line in key_file.read_text().splitlines() if line and line[0] != "#").split(":")
    iv = os.urandom(12)
    body = AESGCM(bytes.fromhex(key.strip())).encrypt(iv, plain, aad.encode())
    return bytes([1, len(kid)]) + kid.encode() + iv + body
