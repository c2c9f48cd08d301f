#define EXITS 2
#include "twin.h"

struct key {
	__be32 addr;
	__be16 port, pad;
};

struct flow {
	__u64 packets, bytes, last;
	__u8 flags, pad[7];
};

MAP(flows, BPF_MAP_TYPE_HASH, struct key, struct flow, 65536, 0);

static __always_inline struct verdict chain(CTX *ctx)
{
	struct ip4 p;

	if (!parse_ip4(ctx, &p, HEADERS))
		RETURN(0, PASS);
	struct tcphdr *t = tcp(&p);

	if (!t)
		RETURN(0, PASS);
	struct key key = {p.hdr->saddr, t->source};
	struct flow *f = bpf_map_lookup_elem(&flows, &key);

	if (f) {
		__sync_fetch_and_add(&f->packets, 1);
		__sync_fetch_and_add(&f->bytes, frame_len(ctx));
		f->last = bpf_ktime_get_ns();
		f->flags |= t->flags;
	} else {
		struct flow fresh = {1, frame_len(ctx), bpf_ktime_get_ns(), t->flags};

		bpf_map_update_elem(&flows, &key, &fresh, 0);
	}
	RETURN(1, PASS);
}

TWIN(chain)
