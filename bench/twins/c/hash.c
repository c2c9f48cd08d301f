#define EXITS 2
#include "twin.h"

MAP(buckets, BPF_MAP_TYPE_ARRAY, __u32, __u64, 1024, 0);

static __always_inline __u32 mix(__u32 h, __u32 x)
{
	h = (h ^ x) * 0x9e3779b1;
	return h ^ h >> 15;
}

static __always_inline struct verdict chain(CTX *ctx)
{
	struct ip4 p;

	if (!parse_ip4(ctx, &p, HEADERS))
		RETURN(0, PASS);
	struct udphdr *u = udp(&p);

	if (!u)
		RETURN(0, PASS);
	__u32 h = mix(0x2545f491, ntohl(p.hdr->saddr));

	h = mix(h, ntohl(p.hdr->daddr));
	h = mix(h, ntohs(u->source) << 16 | ntohs(u->dest));
	h = mix(h, p.hdr->protocol);
	h *= 0x85ebca6b;
	h ^= h >> 13;
	h *= 0xc2b2ae35;
	h ^= h >> 16;
	h &= 1023;
	__u64 *n = bpf_map_lookup_elem(&buckets, &h);

	if (n)
		__sync_fetch_and_add(n, 1);
	RETURN(1, PASS);
}

TWIN(chain)
