/* A function that is in another object, and others beside it that are whole or not. */
typedef unsigned int __u32;
#define SEC(name) __attribute__((section(name), used))
#define __noinline __attribute__((noinline))

extern int elsewhere(int x);
extern __u32 CONFIG_HZ __attribute__((section(".kconfig")));

struct xdp_md; /* what is in it is of no interest here */

__noinline int part(int x)
{
	return elsewhere(x) + 1;
}

__noinline __u32 hertz(void)
{
	return CONFIG_HZ;
}

__noinline int whole(struct xdp_md *ctx, int x)
{
	return ctx ? x + 1 : 0;
}
