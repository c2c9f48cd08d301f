/*
 * The few definitions that the twins need of the kernel's and of libbpf's
 * headers, so that a compiler is all that building them takes. Layouts and
 * numbers are those of linux/bpf.h, linux/if_ether.h, linux/ip.h, linux/ipv6.h,
 * linux/tcp.h, linux/udp.h and linux/pkt_cls.h.
 */
#pragma once

typedef unsigned char __u8;
typedef unsigned short __u16;
typedef unsigned int __u32;
typedef unsigned long long __u64;
typedef int __s32;
typedef long long __s64;
typedef __u16 __be16;
typedef __u32 __be32;

#define NULL ((void *)0)
#define SEC(name) __attribute__((section(name), used))
#define __always_inline inline __attribute__((always_inline))
#define __noinline __attribute__((noinline))
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define htons(x) ((__be16)__builtin_bswap16(x))
#define htonl(x) ((__be32)__builtin_bswap32(x))
#define ntohs(x) ((__u16)__builtin_bswap16(x))
#define ntohl(x) ((__u32)__builtin_bswap32(x))
#define min(a, b) ((a) < (b) ? (a) : (b))
#define max(a, b) ((a) > (b) ? (a) : (b))

/*
 * The bytes of a string as a word in memory's order. Bytes of packets are compared
 * by words: clang makes single bytes of memcmp, since it knows no alignment.
 */
#define WORD2(s) ((__u16)((s)[0] | (s)[1] << 8))
#define WORD4(s) (WORD2(s) | (__u32)WORD2((s) + 2) << 16)
#define WORD8(s) (WORD4(s) | (__u64)WORD4((s) + 4) << 32)
#define IP(a, b, c, d) htonl((__u32)(a) << 24 | (b) << 16 | (c) << 8 | (d))

enum {
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_PERCPU_ARRAY = 6,
	BPF_MAP_TYPE_LRU_HASH = 9,
	BPF_MAP_TYPE_LPM_TRIE = 11,
	BPF_MAP_TYPE_RINGBUF = 27,
};
enum { BPF_F_NO_PREALLOC = 1, BPF_NOEXIST = 1, BPF_F_PSEUDO_HDR = 1 << 4 };

/*
 * A map, described as before BTF: its users are found by symbol all the same, and
 * the object has neither types nor paths of the machine that built it.
 */
struct bpf_map_def {
	__u32 type, key_size, value_size, max_entries, map_flags;
};
#define MAP(name, type, key, value, entries, flags)                                                                    \
	struct bpf_map_def name SEC("maps") = {type, sizeof(key), sizeof(value), entries, flags}

#define RING(name, bytes) struct bpf_map_def name SEC("maps") = {BPF_MAP_TYPE_RINGBUF, 0, 0, bytes, 0}

struct xdp_md {
	__u32 data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex;
};

struct __sk_buff {
	__u32 len, pkt_type, mark, queue_mapping, protocol, vlan_present, vlan_tci, vlan_proto;
	__u32 priority, ingress_ifindex, ifindex, tc_index, cb[5], hash, tc_classid;
	__u32 data, data_end;
};

static void *(*bpf_map_lookup_elem)(void *map, const void *key) = (void *)1;
static long (*bpf_map_update_elem)(void *map, const void *key, const void *value, __u64 flags) = (void *)2;
static __u64 (*bpf_ktime_get_ns)(void) = (void *)5;
static __u32 (*bpf_get_prandom_u32)(void) = (void *)7;
static long (*bpf_l4_csum_replace)(struct __sk_buff *skb, __u32 off, __u64 from, __u64 to, __u64 flags) = (void *)11;
static long (*bpf_skb_load_bytes)(const void *skb, __u32 off, void *to, __u32 len) = (void *)26;
static long (*bpf_skb_pull_data)(struct __sk_buff *skb, __u32 len) = (void *)39;
static void *(*bpf_ringbuf_reserve)(void *ringbuf, __u64 size, __u64 flags) = (void *)131;
static void (*bpf_ringbuf_submit)(void *data, __u64 flags) = (void *)132;

enum { ETH_P_IP = 0x0800, ETH_P_8021Q = 0x8100, ETH_P_8021AD = 0x88a8, ETH_P_IPV6 = 0x86dd };
enum { IPPROTO_ICMP = 1, IPPROTO_TCP = 6, IPPROTO_UDP = 17, IPPROTO_SCTP = 132 };
enum { IP_OFFSET = 0x1fff };
enum { TCP_FIN = 1, TCP_SYN = 2, TCP_ACK = 16 };

struct ethhdr {
	__u8 h_dest[6], h_source[6];
	__be16 h_proto;
};

struct vlan_hdr {
	__be16 tci, proto;
};

struct iphdr {
	__u8 ihl : 4, version : 4, tos;
	__be16 tot_len, id, frag_off;
	__u8 ttl, protocol;
	__u16 check;
	__be32 saddr, daddr;
};

struct ipv6hdr {
	__u8 priority : 4, version : 4, flow[3];
	__be16 payload_len;
	__u8 nexthdr, hop_limit;
	__be32 saddr[4], daddr[4];
};

struct udphdr {
	__be16 source, dest, len;
	__u16 check;
};

struct tcphdr {
	__be16 source, dest;
	__be32 seq, ack_seq;
	__u8 res : 4, doff : 4, flags;
	__be16 window;
	__u16 check, urg_ptr;
};

struct ports { /* where TCP, UDP and SCTP have them alike */
	__be16 source, dest;
};

struct icmphdr {
	__u8 type, code;
	__u16 checksum, id, sequence;
};
