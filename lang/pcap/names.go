package pcap

// words are the words of the language that have no synonym.
var words = set(`
	src dst host net mask port portrange proto protochain gateway
	and or not len less greater byte broadcast multicast
	ether ip ip6 arp rarp tcp udp sctp icmp icmp6 igmp igrp pim vrrp carp ah esp
	atalk aarp decnet lat sca moprc mopdl iso stp ipx netbeui
	vlan mpls pppoed pppoes llc geneve inbound outbound ifindex radio
	clnp esis isis l1 l2 iih lsp snp csnp psnp
	ifname on rnr rulenum reason rset ruleset srnr subrulenum action
	type subtype direction dir addr1 addr2 addr3 addr4 address1 address2 address3 address4 ra ta
	lane llc bcc metac oam oamf4 oamf4ec oamf4sc sc ilmic vpi vci connectmsg metaconnect
	fisu lssu lsu msu hfisu hlssu hmsu sio hsio opc hopc dpc hdpc sls hsls`)

// synonyms are other ways to write words.
var synonyms = map[string]string{"link": "ether", "ppp": "ether", "slip": "ether", "fddi": "ether", "tr": "ether", "wlan": "ether", "length": "len"}

func set(text string) map[string]bool {
	out := map[string]bool{}
	for i := 0; i < len(text); {
		j := i
		for j < len(text) && text[j] > ' ' {
			j++
		}
		if j > i {
			out[text[i:j]] = true
		}
		i = j + 1
	}
	return out
}

// protocols are the qualifiers of protocols, those that can stand alone.
var protocols = set(`
	ether ip ip6 arp rarp tcp udp sctp icmp icmp6 igmp igrp pim vrrp carp ah esp
	atalk aarp decnet lat sca moprc mopdl iso stp ipx netbeui`)

// etherTypes are the protocols that an EtherType tells.
var etherTypes = map[string]uint32{
	"ip": typeIP4, "ip6": typeIP6, "arp": typeARP, "rarp": 0x8035,
	"decnet": 0x6003, "lat": 0x6004, "sca": 0x6007, "moprc": 0x6002, "mopdl": 0x6001,
	"atalk": typeAtalk, "aarp": typeAARP,
	"iso": lsapISO, "stp": lsapSTP, "ipx": lsapIPX, "netbeui": lsapNetBEUI,
}

const (
	typeIP4, typeIP6, typeARP = 0x0800, 0x86dd, 0x0806
	typeAtalk, typeAARP       = 0x809b, 0x80f3
	typeIPX                   = 0x8137
	typeMPLS                  = 0x8847
	typePPPoED, typePPPoES    = 0x8863, 0x8864
	lsapSTP, lsapIPX          = 0x42, 0xe0 // LLC service access points: IEEE 802.2
	lsapNetBEUI, lsapISO      = 0xf0, 0xfe
	protoTCP, protoUDP        = 6, 17
	protoSCTP, protoICMP6     = 132, 58
	protoFragment             = 44
	maxLength                 = 1500 // IEEE 802.3: what is greater is a type
)

// ipProtocols are the protocols that stand alone and that the IP header tells; those
// of only4 are looked for behind IPv4 alone, icmp6 behind IPv6.
var (
	ipProtocols = map[string]uint32{
		"tcp": protoTCP, "udp": protoUDP, "sctp": protoSCTP, "icmp": 1, "icmp6": protoICMP6, "igmp": 2, "igrp": 9,
		"pim": 103, "vrrp": 112, "carp": 112, "ah": 51, "esp": 50,
	}
	only4 = set("icmp igmp igrp vrrp carp")
)

// protocolNumbers are the names of protocols behind "proto": those of IANA that
// systems know, as /etc/protocols has them.
var protocolNumbers = map[string]uint32{
	"ip": 0, "hopopt": 0, "icmp": 1, "igmp": 2, "ggp": 3, "ipencap": 4, "st": 5, "tcp": 6, "egp": 8, "igp": 9, "pup": 12,
	"udp": 17, "hmp": 20, "xns-idp": 22, "rdp": 27, "dccp": 33, "ddp": 37, "ipv6": 41, "ipv6-route": 43,
	"ipv6-frag": 44, "idrp": 45, "rsvp": 46, "gre": 47, "esp": 50, "ah": 51, "skip": 57, "ipv6-icmp": 58, "ipv6-nonxt": 59,
	"ipv6-opts": 60, "rspf": 73, "vmtp": 81, "eigrp": 88, "ospf": 89, "ax.25": 93, "ipip": 94, "etherip": 97, "encap": 98,
	"pim": 103, "ipcomp": 108, "vrrp": 112, "l2tp": 115, "isis": 124, "sctp": 132, "fc": 133, "mobility-header": 135,
	"udplite": 136, "mpls-in-ip": 137, "hip": 139, "shim6": 140, "wesp": 141, "rohc": 142,
}

// etherNames are the names of protocols behind "ether proto".
var etherNames = map[string]uint32{
	"ip": typeIP4, "ip6": typeIP6, "arp": typeARP, "rarp": 0x8035, "pup": 0x0200, "xns": 0x0600, "sprite": 0x0500,
	"mopdl": 0x6001, "moprc": 0x6002, "decnet": 0x6003, "lat": 0x6004, "sca": 0x6007, "vexp": 0x805b, "vprod": 0x805c,
	"atalk": typeAtalk, "aarp": typeAARP, "loopback": 0x9000,
	"iso": lsapISO, "stp": lsapSTP, "ipx": lsapIPX, "netbeui": lsapNetBEUI,
}

// constants are the names of numbers.
var constants = map[string]uint32{
	"icmptype": 0, "icmpcode": 1, "icmp-echoreply": 0, "icmp-unreach": 3, "icmp-sourcequench": 4, "icmp-redirect": 5,
	"icmp-echo": 8, "icmp-routeradvert": 9, "icmp-routersolicit": 10, "icmp-timxceed": 11, "icmp-paramprob": 12,
	"icmp-tstamp": 13, "icmp-tstampreply": 14, "icmp-ireq": 15, "icmp-ireqreply": 16, "icmp-maskreq": 17, "icmp-maskreply": 18,
	"icmp6type": 0, "icmp6code": 1, "icmp6-destinationunreach": 1, "icmp6-packettoobig": 2, "icmp6-timeexceeded": 3,
	"icmp6-parameterproblem": 4, "icmp6-echo": 128, "icmp6-echoreply": 129, "icmp6-multicastlistenerquery": 130,
	"icmp6-multicastlistenerreportv1": 131, "icmp6-multicastlistenerdone": 132, "icmp6-routersolicit": 133,
	"icmp6-routeradvert": 134, "icmp6-neighborsolicit": 135, "icmp6-neighboradvert": 136, "icmp6-redirect": 137,
	"icmp6-routerrenum": 138, "icmp6-nodeinformationquery": 139, "icmp6-nodeinformationresponse": 140,
	"icmp6-ineighbordiscoverysolicit": 141, "icmp6-ineighbordiscoveryadvert": 142, "icmp6-multicastlistenerreportv2": 143,
	"icmp6-homeagentdiscoveryrequest": 144, "icmp6-homeagentdiscoveryreply": 145, "icmp6-mobileprefixsolicit": 146,
	"icmp6-mobileprefixadvert": 147, "icmp6-certpathsolicit": 148, "icmp6-certpathadvert": 149,
	"icmp6-multicastrouteradvert": 151, "icmp6-multicastroutersolicit": 152, "icmp6-multicastroutertermination": 153,
	"tcpflags": 13, "tcp-fin": 1, "tcp-syn": 2, "tcp-rst": 4, "tcp-push": 8, "tcp-ack": 16, "tcp-urg": 32, "tcp-ece": 64, "tcp-cwr": 128,
}
