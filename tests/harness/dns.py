"""A name server on 127.0.0.1, UDP and TCP on one port, whose zone a test changes while it runs.

    dns.zone("a.example.com", "127.0.0.1", ttl=60)
    dns.zone("slow.example.com", "127.0.0.1", delay=2)
    dns.zone("broken.example.com", rcode="SERVFAIL")
    dns.zone("dead.example.com", silent=True)

A name that was not put into the zone does not exist. What was asked is in dns.asked, as (name, type, "udp" or "tcp").
"""

import asyncio
import dataclasses
import ipaddress
import socket
import struct
import threading

from dnslib import AAAA, CNAME, QTYPE, RCODE, RR, A, DNSRecord


@dataclasses.dataclass
class Name:
    addresses: tuple = ()
    ttl: int = 60
    rcode: str = "NOERROR"
    alias: str = ""
    delay: float = 0
    silent: bool = False
    truncated: bool = False  # over UDP

    def records(self, owner, kind):
        if self.alias:
            yield RR(owner, QTYPE.CNAME, ttl=self.ttl, rdata=CNAME(self.alias))
            owner = self.alias
        for address in map(ipaddress.ip_address, self.addresses):
            make = A if address.version == 4 else AAAA
            if kind == make.__name__:
                yield RR(owner, getattr(QTYPE, kind), ttl=self.ttl, rdata=make(tuple(address.packed)))


class Udp(asyncio.DatagramProtocol):
    def __init__(self, server):
        self.server = server

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, sender):
        self.server.answer(data, "udp", lambda reply: self.transport.sendto(reply, sender))


class Dns:
    def __init__(self):
        self.names = {}
        self.asked = []
        self.loop = asyncio.new_event_loop()
        self.udp, self.tcp = self.sockets()
        self.port = self.udp.getsockname()[1]
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    @staticmethod
    def sockets():
        """Two on one port that was free for both."""
        for _ in range(20):
            tcp, udp = socket.socket(), socket.socket(type=socket.SOCK_DGRAM)
            tcp.bind(("127.0.0.1", 0))
            try:
                udp.bind(tcp.getsockname())
                return udp, tcp
            except OSError:
                tcp.close()
                udp.close()
        raise OSError("no port is free for both UDP and TCP")

    def run(self):
        asyncio.set_event_loop(self.loop)
        self.loop.run_until_complete(self.loop.create_datagram_endpoint(lambda: Udp(self), sock=self.udp))
        self.loop.run_until_complete(asyncio.start_server(self.converse, sock=self.tcp))
        self.loop.run_forever()

    def stop(self):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
        self.udp.close()
        self.tcp.close()

    # --- what it knows ------------------------------------------------------------------------------------------------

    def zone(self, name, *addresses, **properties):
        """Puts a name into the zone, or changes it."""
        self.names[name] = Name(addresses, **properties)
        return name

    def count(self, name, kind="A", how=None):
        """How often a name was asked for."""
        return sum(n == name and k == kind and how in (None, h) for n, k, h in list(self.asked))

    # --- how it answers -----------------------------------------------------------------------------------------------

    async def converse(self, reader, writer):
        try:
            while True:
                (length,) = struct.unpack("!H", await reader.readexactly(2))
                data = await reader.readexactly(length)
                self.answer(data, "tcp", lambda reply: writer.write(struct.pack("!H", len(reply)) + reply))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def answer(self, data, how, send):
        query = DNSRecord.parse(data)
        owner, kind = str(query.q.qname).rstrip("."), QTYPE[query.q.qtype]
        self.asked.append((owner, kind, how))
        name = self.names.get(owner, Name(rcode="NXDOMAIN"))
        if name.silent:
            return
        reply = query.reply()
        reply.header.rcode = getattr(RCODE, name.rcode)
        if name.truncated and how == "udp":
            reply.header.tc = 1
        elif name.rcode == "NOERROR":
            reply.add_answer(*name.records(owner, kind))
        self.loop.call_later(name.delay, send, reply.pack())
