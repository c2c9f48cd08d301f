/*
 * A fingerprint of a TLS client in the manner of JA4: version, how many ciphers and
 * extensions, and a hash of both that does not depend on their order. GREASE
 * (RFC 8701) is left out. 0 where the packet is no whole ClientHello over IPv4.
 *
 *	 63        48 47       40 39         32 31                  0
 *	+------------+-----------+-------------+---------------------+
 *	|  version   |  ciphers  | extensions  |        hash         |
 *	+------------+-----------+-------------+---------------------+
 */
#include "bpf.h"

#define MAX_CIPHERS 64
#define MAX_EXTENSIONS 32
#define MAX_OFFSET 2047 /* the verifier wants offsets to have an end */

/* u8 and u16 read at an offset, or give -1 behind the end. */
static __always_inline int u8(void *data, void *end, __u32 off)
{
	__u8 *p = data + (off & MAX_OFFSET);

	return off > MAX_OFFSET || (void *)(p + 1) > end ? -1 : *p;
}

static __always_inline int u16(void *data, void *end, __u32 off)
{
	__u8 *p = data + (off & MAX_OFFSET);

	return off > MAX_OFFSET || (void *)(p + 2) > end ? -1 : p[0] << 8 | p[1];
}

static __always_inline int grease(int x)
{
	return (x & 0x0f0f) == 0x0a0a && x >> 8 == (x & 0xff);
}

/* What one number adds to the hash: the finalizer of MurmurHash3. */
static __always_inline __u32 mix(__u32 x)
{
	x ^= x >> 16;
	x *= 0x85ebca6b;
	x ^= x >> 13;
	x *= 0xc2b2ae35;
	return x ^ x >> 16;
}

/* Where the ClientHello begins, behind the header of the record; 0 if there is none. */
static __always_inline __u32 hello(void *data, void *end)
{
	struct ethhdr *eth = data;
	struct iphdr *ip = (void *)(eth + 1);
	struct tcphdr *tcp;
	__u32 off;

	if ((void *)(ip + 1) > end || eth->h_proto != bpf_htons(ETH_P_IP) || ip->ihl != 5 || ip->protocol != IPPROTO_TCP)
		return 0;
	tcp = (void *)(ip + 1);
	if ((void *)(tcp + 1) > end || tcp->doff < 5)
		return 0;
	off = sizeof(*eth) + sizeof(*ip) + tcp->doff * 4;
	if (u8(data, end, off) != 22 || u8(data, end, off + 5) != 1) /* handshake, ClientHello */
		return 0;
	return off + 5;
}

__noinline __u64 ja4(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u32 off = hello(data, end), hash = 0;
	int version, n, x, ciphers = 0, extensions = 0;

	if (!off)
		return 0;
	version = u16(data, end, off + 4);
	n = u8(data, end, off + 38); /* of the session's ID */
	if (version < 0 || n < 0)
		return 0;
	off += 39 + n;
	n = u16(data, end, off);
	if (n < 0)
		return 0;
	off += 2;
	for (int i = 0; i < MAX_CIPHERS && i < n / 2; i++) {
		x = u16(data, end, off + 2 * i);
		if (x < 0)
			return 0;
		if (grease(x))
			continue;
		ciphers++;
		hash += mix(x);
	}
	off += n;
	n = u8(data, end, off); /* of compression */
	if (n < 0)
		return 0;
	off += 3 + n;
	for (int i = 0; i < MAX_EXTENSIONS; i++) {
		x = u16(data, end, off);
		n = u16(data, end, off + 2);
		if (x < 0 || n < 0)
			break;
		off += 4 + n;
		if (grease(x))
			continue;
		extensions++;
		hash += mix(x | 0x10000);
	}
	return (__u64)version << 48 | (__u64)ciphers << 40 | (__u64)extensions << 32 | hash;
}

char _license[] SEC("license") = "Dual BSD/GPL";
