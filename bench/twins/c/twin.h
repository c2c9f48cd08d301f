/*
 * What every twin has: the two hooks under one name, the counting of what it
 * returns, and the way to the IPv4 header. Written in the manner of
 * xdp-tutorial's parsing_helpers.h and xdp_stats_kern.h.
 */
#pragma once
#include "bpf.h"

#ifdef HOOK_XDP
#define CTX struct xdp_md
#define ENTRY SEC("xdp")
enum { PASS = 2, DROP = 1 };
#else
#define CTX struct __sk_buff
#define ENTRY SEC("tc")
enum { PASS = -1, DROP = 2 };
#endif

/* A verdict and the number of the return that gave it. */
struct verdict {
	__u32 slot;
	int code;
};
#define RETURN(slot, code) return (struct verdict){slot, code}

struct stats {
	__u64 packets, bytes;
};

MAP(exits, BPF_MAP_TYPE_PERCPU_ARRAY, __u32, struct stats, EXITS, 0);

static __always_inline __u32 frame_len(CTX *ctx)
{
#ifdef HOOK_XDP
	return ctx->data_end - ctx->data;
#else
	return ctx->len;
#endif
}

static __always_inline int record(CTX *ctx, struct verdict v)
{
	struct stats *s = bpf_map_lookup_elem(&exits, &v.slot);

	if (s) {
		s->packets++;
		s->bytes += frame_len(ctx);
	}
	return v.code;
}

/* TWIN makes the program of a function that gives a verdict. */
#define TWIN(chain)                                                                                                    \
	ENTRY int twin(CTX *ctx)                                                                                       \
	{                                                                                                              \
		return record(ctx, chain(ctx));                                                                        \
	}                                                                                                              \
	char _license[] SEC("license") = "Dual BSD/GPL";

/* pull sees to it that need bytes are in the linear part of an skb, or all. */
static __always_inline void pull(CTX *ctx, __u32 need)
{
#ifdef HOOK_TC
	if (unlikely((void *)(long)ctx->data + need > (void *)(long)ctx->data_end))
		bpf_skb_pull_data(ctx, min(need, ctx->len));
#endif
}

struct ip4 {
	void *data, *end;
	struct iphdr *hdr;
	void *l4; /* NULL on a fragment that is not the first */
};

/* Headers of the usual length, which a twin looks at: Ethernet, IPv4 and TCP. */
enum { HEADERS = 14 + 20 + 20 };

/* parse_ip4 finds the IPv4 header, behind up to two tags; 0 if there is none. */
static __always_inline int parse_ip4(CTX *ctx, struct ip4 *p, __u32 need)
{
	pull(ctx, need);
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;

	p->data = data;
	p->end = end;
	if (eth + 1 > end)
		return 0;
	void *at = eth + 1;
	__be16 proto = eth->h_proto;
#pragma unroll
	for (int i = 0; i < 2; i++) {
		struct vlan_hdr *tag = at;

		if (likely(proto != htons(ETH_P_8021Q) && proto != htons(ETH_P_8021AD)))
			break;
		if (tag + 1 > end)
			return 0;
		proto = tag->proto;
		at = tag + 1;
	}
	struct iphdr *ip = at;

	if (proto != htons(ETH_P_IP) || ip + 1 > end || ip->version != 4 || ip->ihl < 5)
		return 0;
	void *l4 = at + ip->ihl * 4;

	if (l4 > end)
		return 0;
	p->hdr = ip;
	p->l4 = ip->frag_off & htons(IP_OFFSET) ? NULL : l4;
	return 1;
}

/* udp and tcp give the header of that protocol, or NULL. */
static __always_inline struct udphdr *udp(struct ip4 *p)
{
	struct udphdr *u = p->l4;

	return p->hdr->protocol == IPPROTO_UDP && u && (void *)(u + 1) <= p->end ? u : NULL;
}

static __always_inline struct tcphdr *tcp(struct ip4 *p)
{
	struct tcphdr *t = p->l4;

	return p->hdr->protocol == IPPROTO_TCP && t && (void *)(t + 1) <= p->end ? t : NULL;
}

/* icmp gives the header of ICMP, or NULL. */
static __always_inline struct icmphdr *icmp(struct ip4 *p)
{
	struct icmphdr *i = p->l4;

	return p->hdr->protocol == IPPROTO_ICMP && i && (void *)(i + 1) <= p->end ? i : NULL;
}

static __always_inline int within(__be32 addr, __be32 net, int len)
{
	return ((addr ^ net) & htonl(~0u << (32 - len))) == 0;
}
