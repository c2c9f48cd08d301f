/*
 * A scorer as older filters have it: each rule that a flow meets adds its weight,
 * and who calls it draws the line. Weights of networks and of ports are in maps,
 * those of habits are set by the loader.
 */
#include "bpf.h"

struct flow {
	__be32 src, dst;
	__u16 sport, dport; /* as numbers of the host */
	__u8 proto, flags;
	__u16 len;
};

struct network {
	__u32 bits;
	__be32 addr;
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 4096);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct network);
	__type(value, __u32);
} networks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 65536);
	__type(key, __u32);
	__type(value, __u32);
} ports SEC(".maps");

const volatile __u32 odd_flags = 50; /* SYN and FIN, or no flag at all */
const volatile __u32 tiny = 10;	     /* less than any protocol sends */

__u64 scored; /* flows, of all CPUs */

__noinline __u32 score(struct flow *f)
{
	struct network n = {32};
	__u32 *w, sum = 0, port;

	if (!f)
		return 0;
	n.addr = f->src;
	w = bpf_map_lookup_elem(&networks, &n);
	if (w)
		sum += *w;
	port = f->dport;
	w = bpf_map_lookup_elem(&ports, &port);
	if (w)
		sum += *w;
	if (f->proto == IPPROTO_TCP && (!f->flags || (f->flags & 3) == 3))
		sum += odd_flags;
	if (f->len < 8)
		sum += tiny;
	__sync_fetch_and_add(&scored, 1);
	return sum;
}

char _license[] SEC("license") = "Dual BSD/GPL";
