#define EXITS 3
#include "twin.h"
#include "ports.h"

static __always_inline int listed(__u16 port)
{
	return ports[port / 64] >> port % 64 & 1;
}

static __always_inline struct verdict chain(CTX *ctx)
{
	struct ip4 p;

	if (!parse_ip4(ctx, &p, HEADERS))
		RETURN(0, PASS);
	struct tcphdr *t = tcp(&p);

	if (!t)
		RETURN(0, PASS);
	if (listed(ntohs(t->dest)))
		RETURN(1, PASS);
	RETURN(2, DROP);
}

TWIN(chain)
