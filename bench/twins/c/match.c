#define EXITS 3
#include "twin.h"

static __always_inline struct verdict chain(CTX *ctx)
{
	static const char path[] = "GET /admin";
	const int len = sizeof(path) - 1;
	struct ip4 p;

	if (!parse_ip4(ctx, &p, HEADERS + 12 + len))
		RETURN(0, PASS);
	struct tcphdr *t = tcp(&p);

	if (!t)
		RETURN(0, PASS);
	char *payload = (void *)t + t->doff * 4;

	if (t->dest == htons(80) && (void *)payload + len <= p.end && !__builtin_memcmp(payload, path, len))
		RETURN(1, DROP);
	RETURN(2, PASS);
}

TWIN(chain)
