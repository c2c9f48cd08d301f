/* What functions do with the packet that they are given. */
#include "bpf.h"

static long (*bpf_csum_diff)(__u32 *from, __u32 from_size, __u32 *to, __u32 to_size, __u32 seed) = (void *)28;
static long (*bpf_xdp_adjust_head)(struct xdp_md *ctx, int delta) = (void *)44;
static long (*bpf_skb_load_bytes)(const void *skb, __u32 off, void *to, __u32 len) = (void *)26;
static long (*bpf_skb_store_bytes)(struct __sk_buff *skb, __u32 off, const void *from, __u32 len, __u64 flags) = (void *)9;

__u32 sum;

__noinline int reads(struct xdp_md *ctx)
{
	__u8 *p = (void *)(long)ctx->data, copy[8];

	if ((void *)(p + 34) > (void *)(long)ctx->data_end)
		return 0;
	for (int i = 0; i < 8; i++)
		copy[i] = p[14 + i];
	sum += copy[3] + copy[7];
	return bpf_csum_diff(0, 0, (__u32 *)(p + 14), 20, 0);
}

__noinline int loads(struct __sk_buff *skb)
{
	__u32 word = 0;

	bpf_skb_load_bytes(skb, 14, &word, 4);
	return word;
}

__noinline int marks(struct __sk_buff *skb)
{
	skb->mark = 7;
	return 0;
}

__noinline int writes(struct xdp_md *ctx)
{
	__u8 *p = (void *)(long)ctx->data;

	if ((void *)(p + 1) <= (void *)(long)ctx->data_end)
		*p = 1;
	return 0;
}

/* The pointer goes by the stack. */
__noinline int spilled(struct xdp_md *ctx)
{
	__u8 *volatile p = (void *)(long)ctx->data;

	if ((void *)(p + 1) <= (void *)(long)ctx->data_end)
		*p = 1;
	return 0;
}

static __noinline void set(__u8 *p)
{
	p[0] = 1;
}

static __noinline __u8 first(__u8 *p)
{
	return p[0];
}

__noinline int through(struct xdp_md *ctx)
{
	__u8 *p = (void *)(long)ctx->data;

	if ((void *)(p + 1) <= (void *)(long)ctx->data_end)
		set(p);
	return 0;
}

__noinline int looks_through(struct xdp_md *ctx)
{
	__u8 *p = (void *)(long)ctx->data;

	return (void *)(p + 1) <= (void *)(long)ctx->data_end ? first(p) : 0;
}

/* As libbpf's samples parse: a cursor on the stack. */
struct cursor {
	__u8 *at;
};

static __noinline void advance(struct cursor *c)
{
	*c->at = 1;
}

__noinline int by_cursor(struct xdp_md *ctx)
{
	struct cursor c = {(void *)(long)ctx->data};

	if ((void *)(c.at + 1) <= (void *)(long)ctx->data_end)
		advance(&c);
	return 0;
}

__noinline int atomic(struct xdp_md *ctx)
{
	__u64 *p = (void *)(long)ctx->data;

	if ((void *)(p + 1) <= (void *)(long)ctx->data_end)
		__sync_fetch_and_add(p, 1);
	return 0;
}

__noinline int moves(struct xdp_md *ctx)
{
	return bpf_xdp_adjust_head(ctx, 4);
}

__noinline int stores(struct __sk_buff *skb)
{
	__u8 x = 1;

	return bpf_skb_store_bytes(skb, 14, &x, 1, 0);
}

__noinline int late(struct xdp_md *ctx, __u32 n)
{
	__u8 *p = (void *)(long)ctx->data;

	for (__u32 i = 0; i < 64 && i < n; i++) {
		if ((void *)(p + i + 1) > (void *)(long)ctx->data_end)
			return i;
		if (p[i] == 1)
			p[i] = 2;
	}
	return 0;
}

char _license[] SEC("license") = "GPL";
