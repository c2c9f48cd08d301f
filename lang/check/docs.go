package check

// docs says what every name of the language is, by what it belongs to: "" are
// builtins, "verdict", "type" and "starlark" are those in groups of their own,
// "packet", "conn", "payload", "map", "address" and the headers have attributes. What is
// called begins with the form of the call. Names of the language that this
// version has not (missingHints) are here all the same and are
// shown once they are no longer missing.
//
// A test holds that no name of the checker's own tables is missing here, and
// that the arguments are those that the checker takes.
var docs = map[string]map[string]string{
	"": {
		"table":     "table(key, value, size =, expiring =, init =, percpu = False): A map; a full one refuses new keys and counts that. Without a value it is a set.",
		"lru":       "lru(key, value, size =, expiring =, init =, percpu = False): A map that forgets the entry used longest ago when it is full, and counts that. Without a value it is a set.",
		"array":     "array(value, size =, init =, percpu = False): Entries 0 to size - 1, all there from the beginning.",
		"lpm":       "lpm(prefix, value, size =, init =): The longest prefix that holds an address. Without a value it is a set of prefixes.",
		"ring":      "ring(record, size =): Records on their way to user space; size is in bytes. A full ring counts its loss.",
		"bloom":     "bloom(key, size =, init =): A set that may say yes to a key that was never added, in little memory.",
		"queue":     "queue(value, size =, init =): First in, first out.",
		"stack":     "stack(value, size =, init =): Last in, first out.",
		"param":     "param(type, default, unit =, help =): A value that weir set changes while the chain runs. It has none at build time.",
		"record":    "record(…): A type with named fields: record(hits = u64, last = ip4).",
		"header":    "header(…): A header of your own, big-endian: header(type = u8, flags = u8, id = u16). See pkt.payload.view.",
		"octets":    "octets(n): The type of n bytes.",
		"text":      "text(n): n bytes that people write and read as text, filled up with zeros.",
		"struct":    "struct(…): An object with named values; this is how a module hands out functions.",
		"ns":        "ns(time): A time in nanoseconds, known at build time: ns(\"10s\").",
		"interface": "interface(name): The index of an interface, found when the chain is loaded.",
		"count":     "count(x, n = 1): Adds to a per-CPU counter that every status command shows; of a value that packets bring, to one for each value: count(pkt.ip.proto).",
		"hist":      "hist(name, x): Counts x in a histogram in powers of two.",
		"sample":    "sample(n): True for one packet in n, at random.",
		"log":       "log(format, …): A line to whoever watches; rate-limited, and loss is counted.",
		"rand":      "rand(): 64 random bits.",
		"now":       "now(): Nanoseconds of the monotonic clock, read once a packet.",
		"cpu":       "cpu(): The number of the CPU that handles the packet.",
		"fib":       "fib(dst, src =, len =): Where the kernel would send the packet, fib(pkt), or one to an address: ifindex, gateway, smac, dmac, mtu. False where it would not; then why says the reason, as fib.NO_NEIGH.",
		"clone":     "clone(interface): Sends a copy of the packet, as it is now, out of an interface, by its name or its index; true if that was done. At tc.",
		"hash_of":   "hash_of(x, seed = 0): 32 bits that depend on a value or a tuple of values.",

		"pcap_filter":  "pcap_filter(expression): A function of the packet that is true where a filter of tcpdump holds: is_web = pcap_filter(\"tcp port 80\").",
		"mask":         "mask(addr, bits, bits6 =): The address with all but its first bits zero. Of an ip: bits of IPv4, bits6 of IPv6.",
		"bit_length":   "bit_length(x): How many bits the number has, without zeros before them; of 0 it is 0.",
		"tai":          "tai(): Nanoseconds of atomic time since 1970, CLOCK_TAI, read anew each time.",
		"syncookie":    "syncookie(pkt): A sequence number that proves, when it comes back, that the sender of a SYN is there, and the MSS that it stands for. Both are 0 where the kernel makes none.",
		"syncookie_ok": "syncookie_ok(pkt): Does the packet acknowledge a number that syncookie() has given for its addresses and ports in the last minutes?",
	},
	"verdict": {
		"PASS":          "On to the next chain of this hook, then to the kernel.",
		"ACCEPT":        "To the kernel now; no further chain sees the packet.",
		"DROP":          "The packet ends here.",
		"TX":            "Out of the interface that it came in by.",
		"drop":          "drop(reason): A DROP with a reason, which counters and traces show.",
		"redirect":      "redirect(interface): Out of another interface, by its name or its index; or, of a list of names, out of all of them but the one that the packet came in by.",
		"redirect_peer": "redirect_peer(interface): To the other end of a veth pair, at tc-ingress.",
		"redirect_cpu":  "redirect_cpu(n): To another CPU, at xdp.",
		"to_user":       "to_user(queue): To the AF_XDP socket that receives from a queue of the interface, at xdp: to_user(pkt.queue).",
		"reject":        "reject(): Dropped, and answered: a TCP reset, or ICMP unreachable. At connect the process is told that it was refused.",
		"to_socket":     "to_socket(name): To a listening socket, at sk-lookup: \"tcp:127.0.0.1:8080\", or a name that weir maps gives a socket.",
	},
	"type": {
		"u8": "u8(x): 8 bits. Called, it keeps the low bits.", "u16": "u16(x): 16 bits. Called, it keeps the low bits.",
		"u32": "u32(x): 32 bits. Called, it keeps the low bits.", "u64": "u64(x): 64 bits. Called, it makes a value unsigned.",
		"i8": "i8(x): 8 bits with a sign. Called, it keeps the low bits.", "i16": "i16(x): 16 bits with a sign. Called, it keeps the low bits.",
		"i32": "i32(x): 32 bits with a sign. Called, it keeps the low bits.", "i64": "i64(x): 64 bits with a sign. Called, it makes a value signed.",
		"bool":    "bool(x): True or False.",
		"ip4":     "ip4(x): An IPv4 address, of text, of an integer or of an ip.",
		"ip6":     "ip6(x): An IPv6 address, of text or of an ip.",
		"ip":      "ip(x): An address of either family.",
		"mac":     "mac(x): A MAC address, of text or of an integer.",
		"prefix4": "prefix4(x): An IPv4 prefix: addr in prefix4(\"10.0.0.0/8\").",
		"prefix6": "prefix6(x): An IPv6 prefix.",
		"prefix":  "prefix(x): A prefix of either family.",
	},
	"map": {
		"get":     "get(key, default): The value, or the default (zero) where the key is not there. Of records a reference, false if the key is not there.",
		"incr":    "incr(key, n = 1): Adds to the value, which starts from zero, and gives the new one.",
		"pop":     "pop(key): Removes an entry and gives its value; of a queue or stack, the next value.",
		"add":     "add(key): Puts a key into the set.",
		"discard": "discard(key): Takes a key out of the set.",
		"emit":    "emit(…): Sends a record to user space: r.emit(a = 1, b = ip.src).",
		"push":    "push(value): Puts a value in.",
	},
	"address": {"int": "The address as an integer."},
	"starlark": {
		"None": "Nothing. At build time only.", "True": "True.", "False": "False.",
		"abs": "abs(x): The value without its sign.", "min": "min(a, b, …): The least.", "max": "max(a, b, …): The greatest.",
		"len":   "len(x): How many elements a list, dict, tuple or string has.",
		"range": "range(start, stop, step, max =): Numbers to loop over. At packet time the greatest number of turns must be known: range(min(n, 64)).",
		"int":   "int(x): An integer.", "enumerate": "enumerate(list): Pairs of index and element.", "zip": "zip(a, b, …): Elements of lists in pairs.",
		"any": "any(list): Is one of them true?", "all": "all(list): Are all of them true?", "sorted": "sorted(list): In order.",
		"reversed": "reversed(list): From the end.", "list": "list(x): A list.", "dict": "dict(x): A dict.", "set": "set(x): A set of build time.",
		"tuple": "tuple(x): A tuple.", "str": "str(x): Text.", "repr": "repr(x): Text as a literal.", "bytes": "bytes(x): Bytes.",
		"float": "float(x): A fraction. At build time only.", "chr": "chr(n): The character of a number.", "ord": "ord(s): The number of a character.",
		"dir": "dir(x): Names of attributes.", "hasattr": "hasattr(x, name): Has it an attribute?", "getattr": "getattr(x, name, default): An attribute by its name.",
		"hash": "hash(s): A number of a string.", "type": "type(x): The name of a type.",
		"print": "print(…): A line, once, while the file is read.", "fail": "fail(message): Ends the compile.",
	},
	"packet": {
		"len": "Bytes of the frame.", "ifindex": "Index of the interface of the hook.", "queue": "Receive queue.",
		"now":      "Nanoseconds of the monotonic clock, read once a packet.",
		"segments": "Packets of the wire that the kernel merged into this one.",
		"mark":     "The mark that the kernel keeps with the packet.", "priority": "The priority that the kernel keeps with the packet.",
		"hash": "The hash of the flow, as the kernel has it.",
		"eth":  "The Ethernet header.", "vlan": "The outer tag (802.1Q, 802.1ad).", "vlan2": "The inner tag.", "arp": "The ARP header.",
		"ip4": "The IPv4 header.", "ip6": "The IPv6 header.", "ip": "The IP header that is there.",
		"tcp": "The TCP header.", "udp": "The UDP header.", "sctp": "The SCTP header.", "l4": "The TCP, UDP or SCTP header that is there.",
		"icmp4": "The ICMP header.", "icmp6": "The ICMPv6 header.", "gre": "The GRE header.", "esp": "The ESP header.", "srh": "The segment routing header.",
		"payload": "What follows the L4 header.", "inner": "The packet inside of a tunnel, read only.",
		"u8": "u8(off): A byte, from the start of the frame; zero past the end.", "u16": "u16(off): Two bytes, big-endian, from the start of the frame.",
		"u32": "u32(off): Four bytes, big-endian, from the start of the frame.", "u64": "u64(off): Eight bytes, big-endian, from the start of the frame.",
		"bytes":  "bytes(off, n): n bytes, from the start of the frame.",
		"put_u8": "put_u8(off, x): Writes a byte of the frame, and no checksum.", "put_u16": "put_u16(off, x): Writes two bytes of the frame, and no checksum.",
		"put_u32": "put_u32(off, x): Writes four bytes of the frame, and no checksum.", "put_u64": "put_u64(off, x): Writes eight bytes of the frame, and no checksum.",
		"put_bytes": "put_bytes(off, bytes): Writes bytes of the frame, and no checksum.",
		"view":      "view(header, off = 0): A header of your own, laid over the frame. Writing its fields writes no checksum.",
		"sum":       "sum(off, n, start = 0): The ones' complement sum of n bytes of the frame, for a checksum: pkt.put_u16(at, ~pkt.sum(off, n)).",
		"push":      "push(n): Makes room for n bytes at the head. Ends every view.",
		"pop":       "pop(n): Cuts n bytes off the head. Ends every view.",
		"trim":      "trim(n): Cuts n bytes off the tail. Ends every view.",
		"vlan_push": "vlan_push(id, prio = 0): Puts a tag on. Ends every view.",
		"vlan_pop":  "vlan_pop(): Takes the outer tag off. Ends every view.",
		"encap":     "encap(kind, src =, dst =, …): Puts the packet into a tunnel: ipip, gre, gue, vxlan, geneve or srv6. Ends every view.",
		"decap":     "decap(): Takes the packet out of its tunnel. Ends every view.",
	},
	"conn": {
		"ip4": "The IPv4 addresses, src and dst; false of another family. A mapped address of an IPv6 socket is IPv4.",
		"ip6": "The IPv6 addresses, src and dst; false of another family.", "ip": "The addresses of whichever family it is.",
		"proto": "6 is TCP, 17 UDP.", "tcp": "It is TCP.", "udp": "It is UDP.",
		"sport": "Source port; at connect that of the socket, 0 if it has none yet.", "dport": "Destination port.",
		"ifindex": "Interface that the packet came in by; at connect the one that the socket is bound to, or 0.",
		"now":     "Nanoseconds of the monotonic clock, read once a connection.",
		"pid":     "The process. At connect only.", "uid": "Its user. At connect only.",
		"cgroup": "The number of its cgroup, which is the inode of the cgroup's folder. At connect only.",
		"cookie": "A number of the socket that no other has had since the machine was started. At connect only.",
	},
	"payload": {
		"len": "Bytes up to the end of the packet.",
		"u8":  "u8(off): A byte; zero past the end.", "u16": "u16(off): Two bytes, big-endian.", "u32": "u32(off): Four bytes, big-endian.", "u64": "u64(off): Eight bytes, big-endian.",
		"bytes":      "bytes(off, n): n bytes.",
		"startswith": "startswith(prefix): Does it begin with these bytes?",
		"contains":   "contains(bytes, within = 64): Are these bytes in it?",
		"find":       "find(bytes, within = 64): Where these bytes begin, or -1.",
		"view":       "view(header, off = 0): A header of your own, laid over the bytes.",
		"put_u8":     "put_u8(off, x): Writes a byte.", "put_u16": "put_u16(off, x): Writes two bytes, big-endian.", "put_u32": "put_u32(off, x): Writes four bytes, big-endian.",
		"put_u64": "put_u64(off, x): Writes eight bytes, big-endian.", "put_bytes": "put_bytes(off, bytes): Writes bytes.",
		"sum": "sum(off, n, start = 0): The ones' complement sum of n bytes.",
	},
	"eth": {"dst": "Destination.", "src": "Source.", "type": "EtherType: bytes 12 and 13 of the frame; of a tagged frame the tag's protocol."}, "vlan": docTag, "vlan2": docTag,
	"arp": {"op": "1 asks, 2 answers.", "sha": "The sender's MAC address.", "spa": "The sender's IPv4 address.", "tha": "The target's MAC address.", "tpa": "The target's IPv4 address."},
	"ip4": {
		"src": "Source.", "dst": "Destination.", "proto": "The protocol that follows: 6 is TCP, 17 UDP.", "ttl": "Time to live, in hops.",
		"dscp": docDSCP, "ecn": docECN, "len": "Bytes of header and payload.", "id": "Identification, for fragments.",
		"frag_off": "Where the fragment begins, in bytes.", "mf": "More fragments follow.", "df": "Do not fragment.", "ihl": "Length of the header, in 32-bit words.",
	},
	"ip6": {
		"src": "Source.", "dst": "Destination.", "next": "The header that follows, which may be an extension header.", "hop_limit": "Hops left.",
		"dscp": docDSCP, "ecn": docECN, "flow": "The flow label.",
	},
	"ip": {
		"src": "Source.", "dst": "Destination.", "proto": "The protocol of the L4 header: 6 is TCP, 17 UDP.", "ttl": "Time to live, or hop limit.",
		"dscp": docDSCP, "ecn": docECN, "len": "Bytes from the start of the IP header to the end of the packet.", "fragment": "It is a part of a packet.",
	},
	"tcp": {
		"sport": docSport, "dport": docDport, "seq": "Sequence number.", "ack": "Acknowledgement number.", "window": "Receive window, as sent.",
		"doff": "Length of the header, in 32-bit words.", "flags": "All eight flags.", "syn": "Opens a connection.", "ack_flag": "ack is valid.",
		"fin": "No more data from the sender.", "rst": "Resets the connection.", "psh": "Push.", "urg": "Urgent pointer is valid.",
		"ece": "ECN echo.", "cwr": "Congestion window reduced.", "ae": "Accurate ECN.", "mss": "The greatest segment that the sender takes, of the option; 0 without one.",
		"option": "option(kind): The bytes of an option, false if it is not there.",
	},
	"udp":   {"sport": docSport, "dport": docDport, "len": "Bytes of header and payload."},
	"sctp":  {"sport": docSport, "dport": docDport, "tag": "Verification tag."},
	"l4":    {"sport": docSport, "dport": docDport},
	"icmp4": docICMP, "icmp6": docICMP,
	"gre": {"proto": "EtherType of what is inside.", "key": "The key, or 0.", "seq": "The sequence number, or 0."},
	"esp": {"spi": "Security parameters index.", "seq": "Sequence number."},
	"srh": {
		"next": "The header that follows.", "segments_left": "Index of the segment that is on.", "last_entry": "Index of the last segment.",
		"flags": "Flags.", "tag": "Tag of a group of packets.", "segment": "segment(i): An address of the list.",
	},
}

// What several headers share.
const (
	docSport = "Source port."
	docDport = "Destination port."
	docDSCP  = "Differentiated services code point."
	docECN   = "Explicit congestion notification."
)

var (
	docTag  = map[string]string{"id": "The VLAN.", "prio": "Priority.", "dei": "May be dropped first.", "type": "EtherType of what follows the tag."}
	docICMP = map[string]string{"type": "What it is: 8 asks for an echo (ICMPv6: 128).", "code": "More about the type.", "id": "Of an echo: who asks.", "seq": "Of an echo: which one."}
)
