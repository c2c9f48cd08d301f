/*
 * A router that marks: UDP to port 5060 gets the code point EF, and what the kernel's
 * tables know a way for is forwarded. Written in the manner of the kernel's
 * samples/bpf/xdp_fwd_kern.c, with the counters that weir's programs have.
 */
#include "../bpf.h"
#include "../csum.h"

enum { PASS = 2, ABORTED = 0, REDIRECT = 4 };
enum { AF_INET = 2, AF_INET6 = 10, EF = 46, SIP = 5060 };

struct bpf_fib_lookup {
	__u8 family, l4_protocol;
	__be16 sport, dport;
	__u16 tot_len;
	__u32 ifindex;
	union {
		__u8 tos;
		__be32 flowinfo;
	};
	__be32 src[4], dst[4];
	__be16 vlan_proto, vlan_tci;
	__u8 smac[6], dmac[6];
};

static long (*bpf_redirect)(__u32 ifindex, __u64 flags) = (void *)23;
static long (*bpf_fib_lookup)(void *ctx, struct bpf_fib_lookup *params, int size, __u32 flags) = (void *)69;

struct stats {
	__u64 packets, bytes;
};

MAP(exits, BPF_MAP_TYPE_PERCPU_ARRAY, __u32, struct stats, 2, 0);

static __always_inline int count(struct xdp_md *ctx, __u32 slot, int code)
{
	struct stats *s = bpf_map_lookup_elem(&exits, &slot);

	if (s) {
		s->packets++;
		s->bytes += ctx->data_end - ctx->data;
	}
	return code;
}

static __always_inline void mark4(struct iphdr *ip)
{
	__u8 to = EF << 2 | (ip->tos & 3);

	ip->check = fold((__u16)~ip->check + diff16((__u16)(ip->tos << 8), (__u16)(to << 8)));
	ip->tos = to;
}

static __always_inline void hop4(struct iphdr *ip)
{
	ip->check = fold((__u16)~ip->check + diff16(ip->ttl, (__u8)(ip->ttl - 1)));
	ip->ttl--;
}

/* ports notes the ports of a UDP header, and tells whether it is marked. */
static __always_inline int ports(struct udphdr *udp, void *end, struct bpf_fib_lookup *fib)
{
	if ((void *)(udp + 1) > end)
		return 0;
	fib->sport = udp->source;
	fib->dport = udp->dest;
	return udp->dest == htons(SIP);
}

SEC("xdp") int twin(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;
	struct bpf_fib_lookup fib = {.ifindex = ctx->ingress_ifindex};
	struct iphdr *ip4 = data + sizeof(*eth);
	struct ipv6hdr *ip6 = data + sizeof(*eth);
	int sip = 0;

	if ((void *)(eth + 1) > end || eth->h_dest[0] & 1)
		return count(ctx, 0, PASS);
	if (eth->h_proto == htons(ETH_P_IP)) {
		if ((void *)(ip4 + 1) > end || ip4->version != 4 || ip4->ihl < 5 || ip4->ttl < 2)
			return count(ctx, 0, PASS);
		if (ip4->protocol == IPPROTO_UDP && !(ip4->frag_off & htons(IP_OFFSET)))
			sip = ports((void *)ip4 + ip4->ihl * 4, end, &fib);
		if (sip)
			mark4(ip4);
		fib.family = AF_INET;
		fib.tos = ip4->tos;
		fib.l4_protocol = ip4->protocol;
		fib.tot_len = ntohs(ip4->tot_len);
		fib.src[0] = ip4->saddr;
		fib.dst[0] = ip4->daddr;
	} else if (eth->h_proto == htons(ETH_P_IPV6)) {
		if ((void *)(ip6 + 1) > end || ip6->version != 6 || ip6->hop_limit < 2)
			return count(ctx, 0, PASS);
		if (ip6->nexthdr == IPPROTO_UDP)
			sip = ports((void *)(ip6 + 1), end, &fib);
		if (sip) {
			ip6->priority = EF >> 2;
			ip6->flow[0] = (ip6->flow[0] & 0x3f) | (EF & 3) << 6;
		}
		fib.family = AF_INET6;
		fib.flowinfo = *(__be32 *)ip6 & htonl(0x0fffffff);
		fib.l4_protocol = ip6->nexthdr;
		fib.tot_len = ntohs(ip6->payload_len) + sizeof(*ip6);
		__builtin_memcpy(fib.src, ip6->saddr, sizeof(fib.src));
		__builtin_memcpy(fib.dst, ip6->daddr, sizeof(fib.dst));
	} else {
		return count(ctx, 0, PASS);
	}
	if (bpf_fib_lookup(ctx, &fib, sizeof(fib), 0))
		return count(ctx, 0, PASS);
	if (eth->h_proto == htons(ETH_P_IP))
		hop4(ip4);
	else
		ip6->hop_limit--;
	__builtin_memcpy(eth->h_dest, fib.dmac, sizeof(fib.dmac));
	__builtin_memcpy(eth->h_source, fib.smac, sizeof(fib.smac));
	return count(ctx, 1, bpf_redirect(fib.ifindex, 0));
}

char _license[] SEC("license") = "Dual BSD/GPL";
