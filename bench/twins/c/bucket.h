#pragma once
#include "bpf.h"

#define BUCKETS(name) MAP(name, BPF_MAP_TYPE_LRU_HASH, __be32, __u64, 65536, 0)

/*
 * Set by the loader, which divides once: the time between two packets of
 * 1,000,000 a second, and what a burst of 1,000 takes.
 */
struct rate {
	__u64 interval, depth;
};
#define RATE {1000, 1000000}

static __always_inline int allow(void *buckets, __be32 key, volatile struct rate *rate)
{
	__u64 now = bpf_ktime_get_ns(), *state = bpf_map_lookup_elem(buckets, &key);
	__u64 start = state ? max(*state, now) : now, end = start + rate->interval;

	if (end - now > rate->depth)
		return 0;
	if (state)
		*state = end;
	else
		bpf_map_update_elem(buckets, &key, &end, 0);
	return 1;
}
