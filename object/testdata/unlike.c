/* Functions that no chain can call, each for a reason of its own, and what to write. */
#include "bpf.h"

#define TAG(text) __attribute__((btf_decl_tag("arg:" text)))
#define MAP(name, t, n, v, more)                                                                                       \
	struct {                                                                                                       \
		__uint(type, t);                                                                                       \
		__uint(max_entries, n);                                                                                \
		__type(key, __u32);                                                                                    \
		v;                                                                                                     \
		more;                                                                                                  \
	} name SEC(".maps")

static long (*bpf_tail_call)(void *ctx, void *map, __u32 index) = (void *)12;

struct pair {
	__u32 a, b;
};

struct bits {
	__u16 port;
	__u16 urgent : 1, rest : 15;
};

struct flags {
	__u16 port, flags;
};

struct linked {
	struct linked *next;
};

struct packed {
	__u8 kind;
	__u32 count;
} __attribute__((packed));

__noinline int split(__u32 x, __u16 *low)
{
	if (!low)
		return 0;
	*low = x;
	return x >> 16;
}

__noinline int halves(__u32 x, struct flags *out)
{
	if (!out)
		return 0;
	out->flags = x;
	return x >> 16;
}

__noinline int first(void *p)
{
	return p != 0;
}

__noinline int text(const char *s)
{
	return s != 0;
}

__noinline int sum(struct pair p)
{
	return p.a + p.b;
}

__noinline int anywhere(void *ctx TAG("ctx"))
{
	return ctx != 0;
}

__noinline int kernels(struct pair *p TAG("trusted"))
{
	return p != 0;
}

__noinline struct pair *found(__u32 x)
{
	return (void *)(long)x;
}

__noinline int urgent(struct bits *b)
{
	return b ? b->urgent : 0;
}

__noinline int flagged(struct flags *f)
{
	return f ? f->flags : 0;
}

__noinline int next(struct linked *l)
{
	return l != 0;
}

__noinline int counts(struct packed *p)
{
	return p ? p->count : 0;
}

MAP(programs, 3, 4, __type(value, __u32), );
MAP(tables, 12, 4, __type(value, __u32), __array(values, struct { __uint(type, 2); __uint(max_entries, 1); __type(key, __u32); __type(value, __u32); }));
MAP(devices, 14, 4, __type(value, __u32), );
MAP(cpus, 16, 4, __type(value, __u32), );
MAP(sockets, 17, 4, __type(value, __u32), );
MAP(events, 4, 4, __type(value, __u32), );

#define LOOKS_IN(map)                                                                                                  \
	__noinline int in_##map(__u32 x)                                                                               \
	{                                                                                                              \
		return bpf_map_lookup_elem(&map, &x) != 0;                                                             \
	}

LOOKS_IN(tables)
LOOKS_IN(devices)
LOOKS_IN(cpus)
LOOKS_IN(sockets)
LOOKS_IN(events)

__noinline int jumps(struct xdp_md *ctx)
{
	bpf_tail_call(ctx, &programs, 1);
	return 0;
}

char _license[] SEC("license") = "GPL";
