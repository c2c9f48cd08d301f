#define EXITS 4
#include "twin.h"

enum { MAX_OPTIONS = 20, OPT_END = 0, OPT_NOP = 1, OPT_MSS = 2 };

/* mss gives the maximum segment size that a header offers, or 0. */
static __always_inline __u16 mss(struct tcphdr *t, void *end)
{
	__u8 *at = (void *)(t + 1), *stop = (void *)t + t->doff * 4;

	for (int i = 0; i < MAX_OPTIONS; i++) {
		if (at >= stop || (void *)(at + 2) > end || *at == OPT_END)
			break;
		if (*at == OPT_NOP) {
			at++;
			continue;
		}
		if (*at == OPT_MSS)
			return (void *)(at + 4) <= end ? ntohs(*(__be16 *)(at + 2)) : 0;
		if (at[1] < 2)
			break;
		at += at[1];
	}
	return 0;
}

static __always_inline struct verdict chain(CTX *ctx)
{
	struct ip4 p;

	if (!parse_ip4(ctx, &p, HEADERS + 40))
		RETURN(0, PASS);
	struct tcphdr *t = tcp(&p);

	if (!t)
		RETURN(0, PASS);
	if (!(t->flags & TCP_SYN))
		RETURN(1, PASS);
	__u16 size = mss(t, p.end);

	if (size != 0 && size < 536)
		RETURN(2, DROP);
	RETURN(3, PASS);
}

TWIN(chain)
