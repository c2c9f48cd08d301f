/* A map as libbpf had them before 1.0. */
#include "bpf.h"

struct bpf_map_def {
	__u32 type, key_size, value_size, max_entries, map_flags;
} hits SEC("maps") = {1, 4, 8, 16, 0};

__noinline int seen(__u32 x)
{
	return bpf_map_lookup_elem(&hits, &x) != 0;
}
