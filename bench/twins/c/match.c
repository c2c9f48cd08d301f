#define EXITS 3
#include "twin.h"
#include "request.h"

static __always_inline struct verdict chain(CTX *ctx)
{
	struct ip4 p;

	if (!parse_ip4(ctx, &p, HEADERS + 12 + 10))
		RETURN(0, PASS);
	struct tcphdr *t = tcp(&p);

	if (!t)
		RETURN(0, PASS);
	if (t->dest == htons(80) && asks_admin((void *)t + t->doff * 4, p.end))
		RETURN(1, DROP);
	RETURN(2, PASS);
}

TWIN(chain)
