#define EXITS 4
#include "twin.h"

enum { MAX_HEADERS = 8 };

/* Extension headers that are walked, and what begins each (RFC 8200). */
enum { HOPOPTS = 0, ROUTING = 43, FRAGMENT = 44, AH = 51, DSTOPTS = 60 };

struct ext {
	__u8 next, len;
	__be16 frag;
};

/* after_headers walks to the header of proto; NULL if it is not there. */
static __always_inline void *after_headers(void *at, void *end, __u8 next, __u8 proto)
{
	for (int i = 0; i <= MAX_HEADERS; i++) {
		struct ext *e = at;

		if (next == proto)
			return at;
		if ((void *)(e + 1) > end)
			return NULL;
		switch (next) {
		case HOPOPTS:
		case ROUTING:
		case DSTOPTS:
			at += (e->len + 1) * 8;
			break;
		case AH:
			at += (e->len + 2) * 4;
			break;
		case FRAGMENT:
			if (e->frag & htons(0xfff8))
				return NULL;
			at += 8;
			break;
		default:
			return NULL;
		}
		next = e->next;
	}
	return NULL;
}

static __always_inline struct verdict chain(CTX *ctx)
{
	pull(ctx, 14 + 8 + 40 + 8 + 8 + 8);
	void *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = (void *)(long)ctx->data;

	if ((void *)(eth + 1) > end)
		RETURN(0, DROP);
	struct vlan_hdr *tag = (void *)(eth + 1);
	__be16 proto = eth->h_proto;
	__u32 outer;
#ifdef HOOK_TC
	if (ctx->vlan_present) {
		outer = ctx->vlan_tci;
	} else
#endif
	{
		if (proto != htons(ETH_P_8021Q) && proto != htons(ETH_P_8021AD))
			RETURN(0, DROP);
		if ((void *)(tag + 1) > end)
			RETURN(0, DROP);
		outer = ntohs(tag->tci);
		proto = tag->proto;
		tag++;
	}
	if (proto != htons(ETH_P_8021Q) && proto != htons(ETH_P_8021AD))
		RETURN(0, DROP);
	if ((void *)(tag + 1) > end || (outer & 0xfff) != 100)
		RETURN(0, DROP);
	struct ipv6hdr *ip6 = (void *)(tag + 1);

	if (tag->proto != htons(ETH_P_IPV6) || (void *)(ip6 + 1) > end || ip6->version != 6)
		RETURN(1, PASS);
	struct udphdr *u = after_headers(ip6 + 1, end, ip6->nexthdr, IPPROTO_UDP);

	if (!u || (void *)(u + 1) > end)
		RETURN(1, PASS);
	if (u->dest == htons(53) && (ntohs(tag->tci) & 0xfff) >= 2000)
		RETURN(2, DROP);
	RETURN(3, PASS);
}

TWIN(chain)
