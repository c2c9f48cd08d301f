package pcap

// A service is a name of a port, and the protocols that it is a port of.
type service struct {
	port     uint32
	tcp, udp bool
}

// services are the names of ports that a filter may have. libpcap asks the machine,
// /etc/services, so that a filter means another thing on another one; these are
// the common ones of Debian 12, with its protocols.
var services = func() map[string]service {
	out := map[string]service{}
	for port, names := range map[uint32]string{
		7: "echo/both", 9: "discard/both", 11: "systat", 13: "daytime/both", 15: "netstat", 17: "qotd", 19: "chargen/both",
		20: "ftp-data", 21: "ftp", 22: "ssh", 23: "telnet", 25: "smtp", 37: "time/both", 43: "whois", 49: "tacacs/both",
		53: "domain/both", 67: "bootps/udp", 68: "bootpc/udp", 69: "tftp/udp", 70: "gopher", 79: "finger", 80: "http",
		88: "kerberos/both", 110: "pop3", 111: "sunrpc/both", 119: "nntp", 123: "ntp/udp", 137: "netbios-ns/udp",
		138: "netbios-dgm/udp", 139: "netbios-ssn", 143: "imap2", 161: "snmp/both", 162: "snmp-trap/both", 179: "bgp",
		389: "ldap/both", 443: "https/both", 445: "microsoft-ds", 465: "submissions", 500: "isakmp/udp", 514: "syslog/udp",
		546: "dhcpv6-client/udp", 547: "dhcpv6-server/udp", 587: "submission", 636: "ldaps/both", 853: "domain-s/both", 873: "rsync",
		989: "ftps-data", 990: "ftps", 993: "imaps", 995: "pop3s", 1194: "openvpn/both", 1812: "radius/both", 1813: "radius-acct/both",
		2049: "nfs/both", 3260: "iscsi-target", 3306: "mysql", 5060: "sip/both", 5061: "sip-tls/both",
		5222: "xmpp-client", 5353: "mdns/udp", 5432: "postgresql", 6379: "redis", 8080: "http-alt",
	} {
		name, of := names, "tcp"
		for i := range names {
			if names[i] == '/' {
				name, of = names[:i], names[i+1:]
				break
			}
		}
		out[name] = service{port, of != "udp", of != "tcp"}
	}
	return out
}()
