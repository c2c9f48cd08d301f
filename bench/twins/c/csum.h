#pragma once
#include "bpf.h"

/* Checksums follow a change of 16-bit words: RFC 1624, equation 3. */
static __always_inline __u16 fold(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return ~((sum & 0xffff) + (sum >> 16));
}

static __always_inline __u32 diff16(__u16 from, __u16 to)
{
	return (__u16)~from + to;
}

static __always_inline __u32 diff32(__u32 from, __u32 to)
{
	return diff16(from, to) + diff16(from >> 16, to >> 16);
}
