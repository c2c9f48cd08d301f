/* What the kernel gives programs at hooks where there are no frames. */
#include "bpf.h"

struct sk_buff {
	unsigned int len;
} __core;

struct bpf_nf_ctx {
	const void *state;
	struct sk_buff *skb;
};

struct bpf_sock_addr {
	__u32 user_family, user_ip4, user_ip6[4], user_port, family, type, protocol;
};

struct bpf_sk_lookup {
	__u64 cookie;
	__u32 family, protocol, remote_ip4, remote_ip6[4];
	__be16 remote_port;
	__u16 pad;
	__u32 local_ip4, local_ip6[4], local_port;
};

__noinline __u32 filtered(struct bpf_nf_ctx *ctx)
{
	return ctx->skb->len;
}

__noinline __u32 asked(struct bpf_sock_addr *ctx)
{
	return ctx->user_port;
}

__noinline __u32 looked_up(struct bpf_sk_lookup *ctx)
{
	return ctx->local_port;
}

__noinline __u32 skb(struct __sk_buff *ctx)
{
	return ctx->len;
}

char _license[] SEC("license") = "GPL";
