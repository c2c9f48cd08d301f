#define EXITS 3
#include "twin.h"
#include "bucket.h"

BUCKETS(buckets);

volatile struct rate limit = RATE;

static __always_inline struct verdict chain(CTX *ctx)
{
	struct ip4 p;

	if (!parse_ip4(ctx, &p, 14 + 20))
		RETURN(0, PASS);
	if (!allow(&buckets, p.hdr->saddr, &limit))
		RETURN(1, DROP);
	RETURN(2, PASS);
}

TWIN(chain)
