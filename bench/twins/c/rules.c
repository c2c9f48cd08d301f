#define EXITS 23
#include "twin.h"

static __always_inline struct verdict tcp_rules(struct tcphdr *t)
{
	__u16 dport = ntohs(t->dest);

	if (dport == 80)
		RETURN(7, PASS);
	if (dport == 443)
		RETURN(8, PASS);
	if (dport == 22)
		RETURN(9, DROP);
	if (dport >= 6000 && dport <= 6063)
		RETURN(10, DROP);
	if (dport == 3389 || dport == 5900)
		RETURN(11, DROP);
	if ((t->flags & (TCP_SYN | TCP_FIN)) == (TCP_SYN | TCP_FIN))
		RETURN(12, DROP);
	if (t->flags == 0)
		RETURN(13, DROP);
	if (ntohs(t->source) < 1024)
		RETURN(14, DROP);
	if (dport > 32767)
		RETURN(15, PASS);
	RETURN(16, DROP);
}

static __always_inline struct verdict udp_rules(CTX *ctx, struct udphdr *u, __be32 dst)
{
	if (u->dest == htons(53) && dst == IP(198, 51, 100, 1))
		RETURN(17, PASS);
	if (u->dest == htons(123) && frame_len(ctx) < 200)
		RETURN(18, PASS);
	if (u->source == htons(11211))
		RETURN(19, DROP);
	if (u->source == htons(1900) || u->source == htons(389))
		RETURN(20, DROP);
	RETURN(21, DROP);
}

static __always_inline struct verdict chain(CTX *ctx)
{
	struct ip4 p;

	if (!parse_ip4(ctx, &p, HEADERS))
		RETURN(0, PASS);
	__be32 src = p.hdr->saddr, dst = p.hdr->daddr;

	if (within(src, IP(127, 0, 0, 0), 8))
		RETURN(1, DROP);
	if (within(src, IP(240, 0, 0, 0), 4))
		RETURN(2, DROP);
	if (within(dst, IP(224, 0, 0, 0), 4))
		RETURN(3, PASS);
	if (within(src, IP(192, 0, 2, 0), 24))
		RETURN(4, PASS);
	if (p.hdr->ttl < 2)
		RETURN(5, DROP);
	if (!within(dst, IP(198, 51, 100, 0), 26))
		RETURN(6, PASS);
	struct tcphdr *t = tcp(&p);

	if (t)
		return tcp_rules(t);
	struct udphdr *u = udp(&p);

	if (u)
		return udp_rules(ctx, u, dst);
	RETURN(22, PASS);
}

TWIN(chain)
