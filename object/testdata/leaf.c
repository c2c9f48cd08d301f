/* Small functions twice: what can stand in the place of a call, and what must be called. */
#include "bpf.h"

struct pair {
	__u32 a;
	__u16 b, c;
	__u64 d;
};

/* The second one has the stack in use: so it is called. */
#define TWICE(type, name, params, ...)                                                                                 \
	__noinline type name params __VA_ARGS__                                                                        \
	__noinline type name##_called params                                                                           \
	{                                                                                                              \
		volatile int called __attribute__((unused)) = 0;                                                       \
		__VA_ARGS__                                                                                            \
	}

TWICE(__u32, clamp, (__u32 x, __u32 low, __u32 high), { return x < low ? low : x > high ? high : x; })

TWICE(__u64, mix, (__u64 x, __u16 y, __s8 z), { return (x ^ 0x9e3779b97f4a7c15) * 31 / (y + 1u) % 1000003 + z; })

TWICE(__be16, next, (__be16 port), { return __builtin_bswap16(__builtin_bswap16(port) + 1); })

TWICE(_Bool, in_range, (__u32 x), { return x - 100 < 50; })

TWICE(int, total, (struct pair *p), { return p ? p->a + p->b + p->c + (int)p->d : -1; })

TWICE(int, bump, (struct pair *p, __u32 by), {
	if (!p)
		return 0;
	p->a += by;
	p->c = p->b;
	p->d = 7;
	return 1;
})

TWICE(void, reset, (struct pair *p), {
	if (p)
		p->a = 0;
})

TWICE(int, chosen, (struct pair *p, struct pair *q, int x), {
	struct pair *r = x & 1 ? p : q;

	return r ? r->a : -1;
})

/* It has two exits, which the compiler makes one of where it can. */
TWICE(int, early, (__u64 x), {
	asm volatile("if %0 != 7 goto +2\n\tr0 = 70\n\texit" : : "r"(x) : "r0");
	return x + 1;
})

/* What must be called. */
__noinline int beyond(struct pair *p) /* it reads what lies behind */
{
	return p ? p[1].a : 0;
}

__noinline int below(struct pair *p)
{
	return p ? p[-1].a : 0;
}

__noinline int indexed(struct pair *p, __u32 i)
{
	return p ? ((__u8 *)p)[i & 7] : 0;
}

__noinline int trusting(struct pair *p __attribute__((btf_decl_tag("arg:nonnull"))))
{
	return p->a;
}

__noinline __u64 leaks(struct pair *p)
{
	return (long)p;
}

__noinline int turns(__u32 n)
{
	int sum = 1;

	for (__u32 i = 0; i < (n & 15); i++)
		asm volatile("%0 *= 3" : "+r"(sum));
	return sum;
}

__noinline int looks(struct xdp_md *ctx)
{
	return ctx->ingress_ifindex;
}

__noinline __u64 now(__u32 x)
{
	return bpf_ktime_get_ns() + x;
}

int kept;
__noinline int keeps(int x)
{
	return kept = x;
}

__noinline int nothing_set(int x)
{
	int r;

	asm volatile("%0 = 1" : "=r"(r));
	asm volatile("r4 += r5" ::: "r4");
	return r;
}

char _license[] SEC("license") = "GPL";
