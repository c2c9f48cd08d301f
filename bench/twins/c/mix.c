#define EXITS 25
#include "twin.h"
#include "csum.h"
#include "bucket.h"
#include "request.h"

struct prefix {
	__u32 len;
	__be32 addr;
};

struct host {
	__u64 packets, bytes, last;
	__u32 score, pad;
};

struct session {
	__be32 saddr, daddr;
	__be16 source, dest;
};

enum { OTHER, HTTP, DNS, CLOSED, HIGH };
enum { NOT_IPV4, BOGON, TRUSTED, TRANSIT, ICMP, CONNECTION, OTHER_PROTOCOL, COUNTS };

MAP(counts, BPF_MAP_TYPE_PERCPU_ARRAY, __u32, __u64, COUNTS, 0);
MAP(blocked, BPF_MAP_TYPE_LPM_TRIE, struct prefix, __u8, 16384, BPF_F_NO_PREALLOC);
MAP(trusted, BPF_MAP_TYPE_HASH, __be32, __u8, 1024, 0);
MAP(hosts, BPF_MAP_TYPE_LRU_HASH, __be32, struct host, 65536, 0);
MAP(sessions, BPF_MAP_TYPE_HASH, struct session, __u32, 65536, 0);
MAP(classes, BPF_MAP_TYPE_ARRAY, __u32, __u64, 32, 0);
BUCKETS(syns);
BUCKETS(queries);

volatile struct rate syn_rate = RATE, query_rate = RATE;
volatile __u32 longest = 1400, worst = 100;

static __always_inline void count(__u32 which)
{
	__u64 *n = bpf_map_lookup_elem(&counts, &which);

	if (n)
		++*n;
}

static __always_inline void count_class(__u32 class)
{
	__u64 *n = bpf_map_lookup_elem(&classes, &class);

	if (n)
		__sync_fetch_and_add(n, 1);
}

static __always_inline int bogon(__be32 addr)
{
	return within(addr, IP(0, 0, 0, 0), 8) || within(addr, IP(127, 0, 0, 0), 8) ||
	       within(addr, IP(169, 254, 0, 0), 16) || within(addr, IP(224, 0, 0, 0), 4) ||
	       within(addr, IP(240, 0, 0, 0), 4);
}

/* note keeps what is known of the source, and gives its score. */
static __always_inline __u32 note(CTX *ctx, __be32 addr)
{
	struct host *h = bpf_map_lookup_elem(&hosts, &addr);

	if (!h) {
		struct host fresh = {1, frame_len(ctx), bpf_ktime_get_ns()};

		bpf_map_update_elem(&hosts, &addr, &fresh, 0);
		return 0;
	}
	__sync_fetch_and_add(&h->packets, 1);
	__sync_fetch_and_add(&h->bytes, frame_len(ctx));
	h->last = bpf_ktime_get_ns();
	return h->score;
}

static __always_inline int classify(__u16 port)
{
	switch (port) {
	case 80:
	case 443:
	case 8080:
	case 8443:
		return HTTP;
	case 53:
		return DNS;
	case 22:
	case 23:
	case 3389:
	case 5900:
		return CLOSED;
	}
	return port >= 32768 ? HIGH : OTHER;
}

static __always_inline int amplifier(__u16 port)
{
	switch (port) {
	case 17:
	case 19:
	case 69:
	case 111:
	case 123:
	case 137:
	case 161:
	case 389:
	case 1900:
	case 11211:
		return 1;
	}
	return 0;
}

static __always_inline __u32 spread(struct iphdr *ip, struct udphdr *u)
{
	__u32 h = ntohl(ip->saddr ^ ip->daddr) * 0x9e3779b1;

	h ^= ntohs(u->source) << 16 | ntohs(u->dest);
	return 16 + (h * 0x85ebca6b >> 28);
}

/* The TOS is the second byte of its word. */
static __always_inline void set_dscp(struct iphdr *ip, __u8 dscp)
{
	__u8 tos = dscp << 2 | (ip->tos & 3);

	ip->check = fold((__u16)~ip->check + diff16(ip->tos << 8, tos << 8));
	ip->tos = tos;
}

static __always_inline int labels(__u8 *at, void *end)
{
	int found = 0;

	for (int i = 0; i < 8; i++) {
		if ((void *)(at + 1) > end || !*at)
			break;
		at += *at + 1;
		found++;
	}
	return found;
}

static __always_inline struct verdict on_tcp(struct ip4 *p, struct tcphdr *t)
{
	__u8 flags = t->flags;

	if (flags == 0 || (flags & (TCP_SYN | TCP_FIN)) == (TCP_SYN | TCP_FIN))
		RETURN(9, DROP);
	if ((flags & (TCP_SYN | TCP_ACK)) == TCP_SYN) {
		if (!allow(&syns, p->hdr->saddr, &syn_rate))
			RETURN(10, DROP);
		count(CONNECTION);
	}
	int kind = classify(ntohs(t->dest));

	if (kind == CLOSED)
		RETURN(11, DROP);
	if (t->dest == htons(80) && asks_admin((void *)t + t->doff * 4, p->end))
		RETURN(12, DROP);
	struct session key = {p->hdr->saddr, p->hdr->daddr, t->source, t->dest};
	__u32 *n = bpf_map_lookup_elem(&sessions, &key), one = 1;

	if (n)
		__sync_fetch_and_add(n, 1);
	else
		bpf_map_update_elem(&sessions, &key, &one, BPF_NOEXIST);
	count_class(kind);
	if (kind == HTTP)
		set_dscp(p->hdr, 18);
	RETURN(13, PASS);
}

static __always_inline struct verdict on_udp(CTX *ctx, struct ip4 *p, struct udphdr *u)
{
	__be32 src = p->hdr->saddr;

	if (amplifier(ntohs(u->source)))
		RETURN(16, DROP);
	if (u->source == htons(53) && src != IP(192, 0, 2, 53) && src != IP(192, 0, 2, 54) && frame_len(ctx) > 512)
		RETURN(17, DROP);
	if (u->dest == htons(53)) {
		__be16 *question = (void *)(u + 1);

		if ((void *)(question + 6) > p->end || ntohs(u->len) < sizeof(*u) + 12)
			RETURN(18, DROP);
		if (question[2] != htons(1))
			RETURN(19, DROP);
		if (!allow(&queries, src, &query_rate))
			RETURN(20, DROP);
		if (labels((__u8 *)(question + 6), p->end) > 6)
			RETURN(21, DROP);
		count_class(DNS);
		RETURN(22, PASS);
	}
	if (frame_len(ctx) > longest)
		RETURN(23, DROP);
	count_class(spread(p->hdr, u));
	set_dscp(p->hdr, 8);
	RETURN(24, PASS);
}

static __always_inline struct verdict chain(CTX *ctx)
{
	struct ip4 p;

	if (!parse_ip4(ctx, &p, HEADERS + 64)) {
		count(NOT_IPV4);
		RETURN(0, PASS);
	}
	struct iphdr *ip = p.hdr;
	__be32 src = ip->saddr, dst = ip->daddr;

	if (bogon(src) || src == dst) {
		count(BOGON);
		RETURN(1, DROP);
	}
	if (bpf_map_lookup_elem(&trusted, &src)) {
		count(TRUSTED);
		RETURN(2, PASS);
	}
	struct prefix key = {32, src};

	if (bpf_map_lookup_elem(&blocked, &key))
		RETURN(3, DROP);
	if (!within(dst, IP(198, 51, 100, 0), 24)) {
		count(TRANSIT);
		RETURN(4, PASS);
	}
	if (note(ctx, src) > worst)
		RETURN(5, DROP);
	if (ip->ttl < 2)
		RETURN(6, DROP);
	struct icmphdr *i = icmp(&p);

	if (i) {
		if (i->type == 8 && frame_len(ctx) > 200)
			RETURN(7, DROP);
		count(ICMP);
		RETURN(8, PASS);
	}
	struct tcphdr *t = tcp(&p);

	if (t)
		return on_tcp(&p, t);
	struct udphdr *u = udp(&p);

	if (u)
		return on_udp(ctx, &p, u);
	if (ip->frag_off & htons(IP_OFFSET))
		RETURN(14, DROP);
	count(OTHER_PROTOCOL);
	RETURN(15, PASS);
}

TWIN(chain)
