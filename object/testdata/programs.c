/* Programs that give what the packet's first octet says. */
#include "bpf.h"

static long (*bpf_redirect)(__u32 ifindex, __u64 flags) = (void *)23;

SEC("xdp")
int xdp_says(struct xdp_md *ctx)
{
	__s8 *p = (void *)(long)ctx->data;

	if ((void *)(p + 1) > (void *)(long)ctx->data_end)
		return 0;
	if (*p == 4)
		return bpf_redirect(1, 0);
	return *p;
}

SEC("tc")
int tc_says(struct __sk_buff *skb)
{
	__s8 *p = (void *)(long)skb->data;

	if ((void *)(p + 1) > (void *)(long)skb->data_end)
		return 0;
	if (*p == 7)
		return bpf_redirect(1, 0);
	return *p;
}

char _license[] SEC("license") = "GPL";
