#define EXITS 4
#include "twin.h"
#include "csum.h"

#define OUTSIDE IP(198, 51, 100, 80)
#define INSIDE IP(10, 0, 0, 80)

/* rewrite changes an address and a port, and counts the packet's hops. */
static __always_inline void rewrite(CTX *ctx, struct ip4 *p, __be32 *addr, __be32 to, __be16 *port, __be16 toport)
{
	struct iphdr *ip = p->hdr;
	struct tcphdr *t = p->l4;
	__be32 from = *addr;
	__be16 fromport = *port;

	/* The TTL is the first byte of its word. */
	ip->check = fold((__u16)~ip->check + diff32(from, to) + diff16(ip->ttl, (__u8)(ip->ttl - 1)));
	ip->ttl--;
	*addr = to;
	*port = toport;
#ifdef HOOK_XDP
	t->check = fold((__u16)~t->check + diff32(from, to) + diff16(fromport, toport));
#else
	/* The checksum may be left to the card: only the kernel knows. */
	__u32 off = (void *)&t->check - p->data;

	bpf_l4_csum_replace(ctx, off, from, to, BPF_F_PSEUDO_HDR | sizeof(to));
	bpf_l4_csum_replace(ctx, off, fromport, toport, sizeof(toport));
#endif
}

static __always_inline struct verdict chain(CTX *ctx)
{
	struct ip4 p;

	if (!parse_ip4(ctx, &p, HEADERS))
		RETURN(0, PASS);
	struct tcphdr *t = tcp(&p);

	if (!t)
		RETURN(0, PASS);
	if (p.hdr->daddr == OUTSIDE && t->dest == htons(80)) {
		rewrite(ctx, &p, &p.hdr->daddr, INSIDE, &t->dest, htons(8080));
		RETURN(1, PASS);
	}
	if (p.hdr->saddr == INSIDE && t->source == htons(8080)) {
		rewrite(ctx, &p, &p.hdr->saddr, OUTSIDE, &t->source, htons(80));
		RETURN(2, PASS);
	}
	RETURN(3, DROP);
}

TWIN(chain)
