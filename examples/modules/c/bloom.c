/*
 * Has an address been seen? A bloom filter in an array, so that it can be emptied and
 * read: four bits of 2^20 for each address, which is wrong about one of a hundred
 * strangers after 60,000 addresses.
 */
#include "bpf.h"

#define WORDS (1 << 14)
#define HASHES 4

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, WORDS);
	__type(key, __u32);
	__type(value, __u64);
} bits SEC(".maps");

const volatile __u32 seed = 1;

static __always_inline __u32 bit(__u32 addr, __u32 i)
{
	__u32 x = addr * 0x9e3779b1 + i * 0x85ebca77 + seed;

	x ^= x >> 15;
	x *= 0x2c1b3c6d;
	return (x ^ x >> 12) % (64 * WORDS);
}

__noinline _Bool seen(__be32 addr)
{
	for (__u32 i = 0; i < HASHES; i++) {
		__u32 b = bit(bpf_ntohl(addr), i), word = b / 64;
		__u64 *w = bpf_map_lookup_elem(&bits, &word);

		if (!w || !(*w >> b % 64 & 1))
			return 0;
	}
	return 1;
}

__noinline void remember(__be32 addr)
{
	for (__u32 i = 0; i < HASHES; i++) {
		__u32 b = bit(bpf_ntohl(addr), i), word = b / 64;
		__u64 *w = bpf_map_lookup_elem(&bits, &word);

		if (w)
			__sync_fetch_and_or(w, 1ull << b % 64);
	}
}

char _license[] SEC("license") = "Dual BSD/GPL";
