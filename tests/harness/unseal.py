"""A sealed value opened without code of ours: AES-256-GCM by libcrypto, the layout as common/seal.h describes it."""

import ctypes
import ctypes.util

crypto = ctypes.CDLL(ctypes.util.find_library("crypto"))
crypto.EVP_CIPHER_CTX_new.restype = crypto.EVP_aes_256_gcm.restype = ctypes.c_void_p
SET_TAG = 0x11


def unseal(keys, sealed, aad):
    """`keys`: the key file's text, `sealed` and `aad`: bytes."""
    kid = sealed[2:2 + sealed[1]].decode()
    key = next(line.split(":")[1] for line in keys.splitlines() if line.startswith(f"{kid}:"))
    at = 2 + len(kid)
    return decrypt(bytes.fromhex(key), sealed[at:at + 12], sealed[at + 12:-16], sealed[-16:], aad)


def decrypt(key, iv, text, tag, aad):
    context = ctypes.c_void_p(crypto.EVP_CIPHER_CTX_new())
    out, n = ctypes.create_string_buffer(len(text) + 16), ctypes.c_int()
    crypto.EVP_DecryptInit_ex(context, ctypes.c_void_p(crypto.EVP_aes_256_gcm()), None, key, iv)
    crypto.EVP_DecryptUpdate(context, None, ctypes.byref(n), aad, len(aad))
    crypto.EVP_DecryptUpdate(context, out, ctypes.byref(n), text, len(text))
    crypto.EVP_CIPHER_CTX_ctrl(context, SET_TAG, 16, tag)
    good = crypto.EVP_DecryptFinal_ex(context, ctypes.byref(ctypes.create_string_buffer(16)), ctypes.byref(ctypes.c_int()))
    crypto.EVP_CIPHER_CTX_free(context)
    assert good == 1, "the sealed value does not open with this key for this place"
    return out.raw[:len(text)]
