/*
 * Modules that do nothing, as chains have them: small ones, which stand in the place of
 * their calls, and some that read a word of the packet's context, for which they are
 * called. The compiler must not see that they give nothing.
 */
#include "../bpf.h"

#ifdef HOOK_XDP
#define CTX struct xdp_md
#else
#define CTX struct __sk_buff
#endif

#define NULL_(n)                                                                                                       \
	__noinline int null##n(CTX *ctx)                                                                               \
	{                                                                                                              \
		int zero = 0;                                                                                          \
		asm volatile("" : "+r"(zero) : "r"(ctx));                                                              \
		return zero;                                                                                           \
	}                                                                                                              \
	__noinline int called##n(CTX *ctx)                                                                             \
	{                                                                                                              \
		int zero = 0;                                                                                          \
		asm volatile("" : "+r"(zero) : "r"(*(volatile __u32 *)ctx));                                           \
		return zero;                                                                                           \
	}
#define FOUR(a, b, c, d) NULL_(a) NULL_(b) NULL_(c) NULL_(d)

FOUR(0, 1, 2, 3)
FOUR(4, 5, 6, 7)
FOUR(8, 9, 10, 11)
FOUR(12, 13, 14, 15)
FOUR(16, 17, 18, 19)
FOUR(20, 21, 22, 23)
FOUR(24, 25, 26, 27)
FOUR(28, 29, 30, 31)
