#define EXITS 4
#include "twin.h"

enum { WITHIN = 64, LEN = 10 };

/* names_evil: is "Host: evil" in the first bytes of a payload? */
static __always_inline int names_evil(void *at, void *end)
{
	for (int i = 0; i <= WITHIN - LEN; i++, at++) {
		if (at + LEN > end)
			break;
		if (*(__u64 *)at == WORD8("Host: ev") && *(__u16 *)(at + 8) == WORD2("il"))
			return 1;
	}
	return 0;
}

static __always_inline struct verdict chain(CTX *ctx)
{
	struct ip4 p;

	if (!parse_ip4(ctx, &p, HEADERS + 12 + WITHIN))
		RETURN(0, PASS);
	struct tcphdr *t = tcp(&p);

	if (!t)
		RETURN(0, PASS);
	if (t->dest != htons(80))
		RETURN(1, PASS);
	if (names_evil((void *)t + t->doff * 4, p.end))
		RETURN(2, DROP);
	RETURN(3, PASS);
}

TWIN(chain)
