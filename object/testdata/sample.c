/* Functions of every form that a chain can call, and of some that it cannot. */
#include "bpf.h"

struct hit {
	__be32 src;
	__u32 count;
};

struct odd { /* which no record is like */
	__be16 port;
	__u32 rest : 4;
};

struct {
	__uint(type, 1);
	__uint(max_entries, 128);
	__type(key, __u32);
	__type(value, __u64);
} hits SEC(".maps");

struct {
	__uint(type, 9);
	__uint(max_entries, 16);
	__type(key, __be32);
	__type(value, struct hit);
} last SEC(".maps");

struct prefix {
	__u32 bits;
	__be32 addr;
};

struct {
	__uint(type, 11);
	__uint(max_entries, 16);
	__uint(map_flags, 1);
	__type(key, struct prefix);
	__type(value, __u32);
} nets SEC(".maps");

struct {
	__uint(type, 14);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u32);
} devices SEC(".maps");

/* As packets have it. */
struct peer {
	__be32 addr;
	__be16 port;
	__u16 weight;
};

struct {
	__uint(type, 1);
	__uint(max_entries, 8);
	__type(key, __be16);
	__type(value, struct peer);
} by_port SEC(".maps");

const volatile __u32 limit = 100;
const volatile _Bool strict;
__u64 calls;
int step = 3;
static const __u8 weights[4] = {1, 2, 4, 8};

static __noinline int weight(__u32 x)
{
	return x * step;
}

/* Integers of every width. */
__noinline __s8 low(__u8 a, __s8 b, __u16 c, int d, __u64 e)
{
	return a + b + c + d + e;
}

__noinline __u32 weigh(__u32 x)
{
	__u64 *n = bpf_map_lookup_elem(&hits, &x);

	calls++;
	if (n)
		__sync_fetch_and_add(n, 1);
	if (strict && x > limit)
		return 0;
	return weight(x) + weights[x & 3];
}

__noinline __be16 port(__be16 p)
{
	return p + __builtin_bswap16(1); /* of the first octet of the wire, without a carry */
}

__noinline __be32 net(__be32 addr)
{
	return addr & __builtin_bswap32(0xffffff00);
}

__noinline _Bool even(__u32 x)
{
	return !(x & 1);
}

/* The struct is the chain's. */
__noinline int note(struct hit *h)
{
	if (!h)
		return -1;
	h->count += 2;
	return h->count;
}

__noinline int next_port(struct peer *p)
{
	struct peer copy; /* before Linux 6.4 keys are on the stack */
	__u16 n;

	if (!p)
		return -1;
	n = __builtin_bswap16(p->port) + 1;
	p->port = __builtin_bswap16(n);
	copy = *p;
	bpf_map_update_elem(&by_port, &copy.port, &copy, 0);
	return n;
}

/* Who calls it promises that there is one (Linux 6.8). */
__noinline int counted(struct hit *h __attribute__((btf_decl_tag("arg:nonnull"))))
{
	return h->count;
}

/* One that gives nothing, and keeps a copy. */
__noinline void keep(struct hit *h)
{
	if (h)
		bpf_map_update_elem(&last, &h->src, h, 0);
}

__noinline __u32 listed(__be32 addr)
{
	struct prefix p = {32, addr};
	__u32 *v = bpf_map_lookup_elem(&nets, &p);

	return v ? *v : 0;
}

__noinline int size(struct xdp_md *ctx)
{
	return ctx->data_end - ctx->data;
}

/* A write that the chain must see. */
__noinline int stamp(struct xdp_md *ctx, __u8 tos)
{
	__u8 *p = (void *)(long)ctx->data;

	if ((void *)(p + 16) > (void *)(long)ctx->data_end)
		return -1;
	p[15] = tos;
	return 0;
}

__noinline __u32 skb_size(struct __sk_buff *skb)
{
	return skb->len;
}

/* The field lies elsewhere in the kernel than here. */
struct net_device {
	int mtu;
} __core;
struct xdp_rxq_info {
	struct net_device *dev;
} __core;
struct xdp_buff {
	struct xdp_rxq_info *rxq;
} __core;

__noinline int offset_of_mtu(int x)
{
	return __builtin_preserve_field_info(((struct net_device *)0)->mtu, 0) + x;
}

/* What no chain can call. */
__noinline int many(int a, int *b)
{
	return b ? a + *b : a;
}

__noinline int redirects(__u32 key)
{
	return bpf_map_lookup_elem(&devices, &key) != 0;
}

__noinline int ported(struct odd *o)
{
	return o ? o->port : 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
