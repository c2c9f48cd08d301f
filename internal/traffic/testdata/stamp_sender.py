"""Sends test packets of STAMP (RFC 8762) and says what is in the answers, as JSON.

stamp_sender.py ADDRESS PORT SEQ...; packets are built and read by Scapy. They have a TLV
of padding behind them (RFC 8972), and time stamps of the NTP and the PTP form in turn.
"""
import json
import socket
import sys

from scapy.contrib.stamp import (
    ErrorEstimate, STAMPSessionReflectorTestUnauthenticated, STAMPSessionSenderTestUnauthenticated, STAMPTestTLV,
)
from scapy.layers.inet import UDP

SENT = bytes(range(1, 9))

address, port = sys.argv[1], int(sys.argv[2])
six = ":" in address
s = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(5)
if six:
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, 77)
else:
    s.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 77)
s.connect((address, port))

answers = []
for i, seq in enumerate(int(a) for a in sys.argv[3:]):
    question = bytearray(bytes(STAMPSessionSenderTestUnauthenticated(
        seq=seq,
        err_estimate=ErrorEstimate(S=0, Z=i % 2, scale=3, multiplier=9),
        ssid=100 + i,
        tlv_objects=[STAMPTestTLV(type=1, len=8, value=b"pad.pad.")],
    )))
    question[4:12] = SENT  # a time of which every octet is known
    s.send(question)
    data = s.recv(2000)
    a = STAMPSessionReflectorTestUnauthenticated(data, _parent=UDP(len=8 + len(data)))
    came, went = data[16:24], data[4:12]
    answers.append({
        "Seq": a.seq, "SeqSender": a.seq_sender, "SSID": a.ssid,
        "PTP": a.err_estimate.Z, "SenderPTP": a.err_estimate_sender.Z,
        "SenderTime": data[28:36].hex(), "SenderTTL": a.ttl_sender, "Zero1": a.mbz1, "Zero2": a.mbz2,
        "Scale": a.err_estimate_sender.scale, "Mult": a.err_estimate_sender.multiplier,
        "Padding": a.tlv_objects[0].value.hex(),
        "InOrder": came <= went, "Another": came not in (SENT, bytes(8)),
    })
json.dump(answers, sys.stdout)
