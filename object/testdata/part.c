/* A function that is in another object. */
#include "bpf.h"

extern int elsewhere(int x);

__noinline int part(int x)
{
	return elsewhere(x) + 1;
}
