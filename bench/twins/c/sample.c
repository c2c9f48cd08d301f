#define EXITS 2
#include "twin.h"

struct seen {
	__u64 at;
	__be32 saddr, daddr;
	__u16 sport, dport;
	__u32 len;
	__u8 proto, pad[7];
};

RING(seen, 1 << 20);
MAP(lost, BPF_MAP_TYPE_PERCPU_ARRAY, __u32, __u64, 1, 0);

static __always_inline void emit(CTX *ctx, struct ip4 *p, struct ports *l4)
{
	struct seen *s = bpf_ringbuf_reserve(&seen, sizeof(*s), 0);

	if (!s) {
		__u32 zero = 0;
		__u64 *n = bpf_map_lookup_elem(&lost, &zero);

		if (n)
			++*n;
		return;
	}
	*s = (struct seen){
		.at = bpf_ktime_get_ns(),
		.saddr = p->hdr->saddr,
		.daddr = p->hdr->daddr,
		.sport = ntohs(l4->source),
		.dport = ntohs(l4->dest),
		.len = frame_len(ctx),
		.proto = p->hdr->protocol,
	};
	bpf_ringbuf_submit(s, 0);
}

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
	if (bpf_get_prandom_u32() < 1u << 26) /* one in 64 */
		emit(ctx, &p, l4);
	RETURN(1, PASS);
}

TWIN(chain)
