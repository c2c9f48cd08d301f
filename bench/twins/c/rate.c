#define EXITS 3
#include "twin.h"

MAP(buckets, BPF_MAP_TYPE_LRU_HASH, __be32, __u64, 65536, 0);

/*
 * Set by the loader, which divides once: the time between two packets of
 * 1,000,000 a second, and what a burst of 1,000 takes.
 */
volatile __u64 interval = 1000, depth = 1000000;

static __always_inline int allow(__be32 key)
{
	__u64 now = bpf_ktime_get_ns(), *state = bpf_map_lookup_elem(&buckets, &key);
	__u64 start = state ? max(*state, now) : now, end = start + interval;

	if (end - now > depth)
		return 0;
	if (state)
		*state = end;
	else
		bpf_map_update_elem(&buckets, &key, &end, 0);
	return 1;
}

static __always_inline struct verdict chain(CTX *ctx)
{
	struct ip4 p;

	if (!parse_ip4(ctx, &p, 14 + 20))
		RETURN(0, PASS);
	if (!allow(p.hdr->saddr))
		RETURN(1, DROP);
	RETURN(2, PASS);
}

TWIN(chain)
