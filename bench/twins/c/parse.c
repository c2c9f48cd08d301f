#define EXITS 3
#include "twin.h"

static __always_inline struct verdict chain(CTX *ctx)
{
	struct ip4 p;

	if (!parse_ip4(ctx, &p, HEADERS))
		RETURN(0, PASS);
	struct udphdr *u = udp(&p);

	if (!u)
		RETURN(0, PASS);
	if (u->dest == htons(1900) || u->dest == htons(11211))
		RETURN(1, DROP);
	RETURN(2, PASS);
}

TWIN(chain)
