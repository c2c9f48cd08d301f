/* Under a license that is not compatible with the GPL. */
#include "bpf.h"

__noinline int one(int x)
{
	return x + 1;
}

char _license[] SEC("license") = "Proprietary";
