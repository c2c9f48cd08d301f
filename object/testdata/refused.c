/* What the verifier refuses. */
#include "bpf.h"

__noinline int peek(struct xdp_md *ctx)
{
	__u8 *p = (void *)(long)ctx->data;

	return p[13]; /* nobody has looked at data_end */
}
