/*
 * A filter as small as filters are, for every hook: what goes to a name server is
 * dropped, or not. It is written as programs of each hook are: in place where the
 * context has bounds (xdp, tc, cgroup), by bpf_skb_load_bytes at a packet socket,
 * and by slices of a dynptr at netfilter, as the kernel's verifier_netfilter_ctx.c.
 */
#include "../bpf.h"

#if defined(HOOK_XDP)
#define CTX struct xdp_md
#define ENTRY SEC("xdp")
enum { PASS = 2, DROP = 1, ETHERNET = 14, UNSEEN = 0 };
#elif defined(HOOK_TC)
#define CTX struct __sk_buff
#define ENTRY SEC("tc")
enum { PASS = -1, DROP = 2, ETHERNET = 14, UNSEEN = 0 };
#elif defined(HOOK_SOCKET)
#define CTX struct __sk_buff
#define ENTRY SEC("socket")
enum { PASS = 0, DROP = 0, ETHERNET = 14, UNSEEN = 0 };
#elif defined(HOOK_CGROUP)
#define CTX struct __sk_buff
#define ENTRY SEC("cgroup_skb/ingress")
enum { PASS = 1, DROP = 0, ETHERNET = 0, UNSEEN = 14 };
#elif defined(HOOK_NETFILTER)
#define KERNEL __attribute__((preserve_access_index))
struct sk_buff {
	__u32 len;
} KERNEL;
struct bpf_nf_ctx {
	const void *state;
	struct sk_buff *skb;
} KERNEL;
struct bpf_dynptr {
	__u64 opaque[2];
} __attribute__((aligned(8)));
#define KFUNC extern __attribute__((section(".ksyms")))
KFUNC int bpf_dynptr_from_skb(struct __sk_buff *skb, __u64 flags, struct bpf_dynptr *ptr);
KFUNC void *bpf_dynptr_slice(const struct bpf_dynptr *p, __u32 offset, void *buffer, __u32 size);
#define CTX struct bpf_nf_ctx
#define ENTRY SEC("netfilter")
enum { PASS = 1, DROP = 0, ETHERNET = 0, UNSEEN = 14 };
#endif

/* A way to the packet: bytes() gives n of them from off on, or NULL. */
#if defined(HOOK_SOCKET)
#define WAY CTX *
#define OPEN(way, ctx) WAY way = ctx
#define BYTES(way, off, buffer) (bpf_skb_load_bytes(way, off, buffer, sizeof(*buffer)) ? NULL : buffer)
#elif defined(HOOK_NETFILTER)
#define WAY struct bpf_dynptr *
#define OPEN(way, ctx)                                                                                                 \
	struct bpf_dynptr dynptr;                                                                                      \
	WAY way = &dynptr;                                                                                             \
	if (bpf_dynptr_from_skb((struct __sk_buff *)ctx->skb, 0, way))                                                 \
	return 0
#define BYTES(way, off, buffer) bpf_dynptr_slice(way, off, buffer, sizeof(*buffer))
#else
struct bounds {
	void *data, *end;
};
#define WAY struct bounds *
#define OPEN(way, ctx)                                                                                                 \
	struct bounds bounds = {(void *)(long)ctx->data, (void *)(long)ctx->data_end};                                 \
	WAY way = &bounds
#define BYTES(way, off, buffer)                                                                                        \
	(way->data + (off) + sizeof(*buffer) > way->end ? NULL : (typeof(buffer))(way->data + (off)))
#endif

struct ext {
	__u8 next, len;
	__be16 frag;
};

/* Extension headers that are walked, and what begins each (RFC 8200). */
enum { HOPOPTS = 0, ROUTING = 43, FRAGMENT = 44, AH = 51, DSTOPTS = 60 };

static __always_inline int to_dns(WAY way, __u32 off)
{
	struct udphdr buffer, *u = BYTES(way, off, &buffer);

	return u && u->dest == htons(53);
}

/* after_headers walks to UDP, behind up to eight headers. */
static __noinline int after_headers(CTX *ctx, __u32 off, __u32 next)
{
	OPEN(way, ctx);

	for (int i = 0; i < 8; i++) {
		struct ext buffer, *e;

		if (next != HOPOPTS && next != ROUTING && next != DSTOPTS && next != AH && next != FRAGMENT)
			break;
		off &= 0x7fff;
		e = BYTES(way, off, &buffer);
		if (!e || (next == FRAGMENT && e->frag & htons(0xfff8)))
			return 0;
		off += next == FRAGMENT ? 8 : next == AH ? (e->len + 2) * 4 : (e->len + 1) * 8;
		next = e->next;
	}
	off &= 0x7fff;
	return next == IPPROTO_UDP && to_dns(way, off);
}

static __always_inline int in_ip4(WAY way, __u32 off)
{
	struct iphdr buffer, *ip = BYTES(way, off, &buffer);

	if (!ip || ip->version != 4 || ip->ihl < 5 || ip->frag_off & htons(IP_OFFSET) || ip->protocol != IPPROTO_UDP)
		return 0;
	return to_dns(way, off + ip->ihl * 4);
}

static __always_inline int in_ip6(CTX *ctx, WAY way, __u32 off)
{
	struct ipv6hdr buffer, *ip = BYTES(way, off, &buffer);

	if (!ip || ip->version != 6)
		return 0;
	if (likely(ip->nexthdr == IPPROTO_UDP))
		return to_dns(way, off + sizeof(*ip));
	return after_headers(ctx, off + sizeof(*ip), ip->nexthdr);
}

#ifdef HOOK_NETFILTER
static __always_inline int is_dns(CTX *ctx)
{
	OPEN(way, ctx);
	__u8 buffer, *first = BYTES(way, 0, &buffer);

	if (!first)
		return 0;
	return *first >> 4 == 4 ? in_ip4(way, 0) : in_ip6(ctx, way, 0);
}
#else
static __always_inline int is_dns(CTX *ctx)
{
	__be16 proto;
	__u32 off = ETHERNET;

#ifdef HOOK_TC
	if (unlikely((void *)(long)ctx->data + 14 + 40 + 8 > (void *)(long)ctx->data_end))
		bpf_skb_pull_data(ctx, min(14 + 40 + 8, ctx->len));
#endif
	OPEN(way, ctx);
#ifndef HOOK_CGROUP
	struct ethhdr eb, *eth = BYTES(way, 0, &eb);

	if (!eth)
		return 0;
	proto = eth->h_proto;
#pragma unroll
	for (int i = 0; i < 2; i++) {
		struct vlan_hdr tb, *tag;

		if (likely(proto != htons(ETH_P_8021Q) && proto != htons(ETH_P_8021AD)))
			break;
		tag = BYTES(way, off, &tb);
		if (!tag)
			return 0;
		proto = tag->proto;
		off += sizeof(*tag);
	}
#else
	proto = ctx->protocol;
#endif
	if (proto == htons(ETH_P_IP))
		return in_ip4(way, off);
	return proto == htons(ETH_P_IPV6) && in_ip6(ctx, way, off);
}
#endif

struct stats {
	__u64 packets, bytes;
};

MAP(exits, BPF_MAP_TYPE_PERCPU_ARRAY, __u32, struct stats, 2, 0);

static __always_inline __u32 wire_len(CTX *ctx)
{
#if defined(HOOK_XDP)
	return ctx->data_end - ctx->data;
#elif defined(HOOK_NETFILTER)
	return ctx->skb->len + UNSEEN;
#else
	return ctx->len + UNSEEN;
#endif
}

ENTRY int twin(CTX *ctx)
{
	__u32 slot = !is_dns(ctx);
	struct stats *s = bpf_map_lookup_elem(&exits, &slot);

	if (s) {
		s->packets++;
		s->bytes += wire_len(ctx);
	}
	return slot ? PASS : DROP;
}

char _license[] SEC("license") = "Dual BSD/GPL";
