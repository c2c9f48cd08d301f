#define EXITS 3
#include "twin.h"

struct prefix {
	__u32 len;
	__be32 addr;
};

MAP(blocked, BPF_MAP_TYPE_LPM_TRIE, struct prefix, __u8, 16384, BPF_F_NO_PREALLOC);

static __always_inline struct verdict chain(CTX *ctx)
{
	struct ip4 p;

	if (!parse_ip4(ctx, &p, 14 + 20))
		RETURN(0, PASS);
	struct prefix key = {32, p.hdr->saddr};

	if (bpf_map_lookup_elem(&blocked, &key))
		RETURN(1, DROP);
	RETURN(2, PASS);
}

TWIN(chain)
