"""Authorities and certificates made for a test: good ones, and those a sender must refuse."""

import datetime
import ipaddress

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = datetime.timedelta(days=1)


def name_of(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def pem_of_key(key):
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def with_pass_phrase(pem):
    """The same key, encrypted."""
    key = serialization.load_pem_private_key(pem, None)
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                             serialization.BestAvailableEncryption(b"nobody knows"))


def builder(subject, issuer, key, begins, ends):
    now = datetime.datetime.now(datetime.timezone.utc)
    return (x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
            .serial_number(x509.random_serial_number()).not_valid_before(now + begins).not_valid_after(now + ends))


class Authority:
    """A CA in memory; `path` holds its certificate for a program to read."""

    def __init__(self, directory, name):
        self.directory = directory
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = name_of(name)
        made = builder(self.name, self.name, self.key, -DAY, 30 * DAY)
        made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        self.certificate = made.sign(self.key, hashes.SHA256())
        self.pem = self.certificate.public_bytes(serialization.Encoding.PEM)
        self.path = directory / f"{name}.pem"
        self.path.write_bytes(self.pem)
        self.path.chmod(0o644)

    def issue(self, common_name, hosts=(), addresses=(), begins=-DAY, ends=DAY):
        """Certificate and key of a leaf, PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = [x509.DNSName(h) for h in hosts] + [x509.IPAddress(ipaddress.ip_address(a)) for a in addresses]
        made = builder(name_of(common_name), self.name, key, begins, ends)
        if names:
            made = made.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return made.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM), pem_of_key(key)

    def files(self, common_name, **kw):
        """The same as two files: what Peer wants."""
        found = []
        for kind, pem in zip(("cert", "key"), self.issue(common_name, **kw)):
            path = self.directory / f"{common_name}-{kind}.pem"
            path.write_bytes(pem)
            found.append(path)
        return tuple(found)
