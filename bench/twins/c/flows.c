#define EXITS 2
#include "twin.h"

struct key {
	__be32 saddr, daddr;
	__be16 source, dest;
	__u8 proto, pad[3];
};

MAP(flows, BPF_MAP_TYPE_HASH, struct key, __u64, 65536, 0);

static __always_inline struct verdict chain(CTX *ctx)
{
	struct ip4 p;

	if (!parse_ip4(ctx, &p, HEADERS) || !p.l4)
		RETURN(0, PASS);
	struct ports *l4 = p.l4;
	__u8 proto = p.hdr->protocol;

	if (proto != IPPROTO_TCP && proto != IPPROTO_UDP && proto != IPPROTO_SCTP)
		RETURN(0, PASS);
	if ((void *)(l4 + 1) > p.end)
		RETURN(0, PASS);
	struct key key = {p.hdr->saddr, p.hdr->daddr, l4->source, l4->dest, proto};
	__u64 *n = bpf_map_lookup_elem(&flows, &key), one = 1;

	if (n)
		__sync_fetch_and_add(n, 1);
	else
		bpf_map_update_elem(&flows, &key, &one, BPF_NOEXIST);
	RETURN(1, PASS);
}

TWIN(chain)
