#pragma once
#include "bpf.h"

/* asks_admin: does a payload begin with "GET /admin"? */
static __always_inline int asks_admin(void *payload, void *end)
{
	return payload + 10 <= end && *(__u64 *)payload == WORD8("GET /adm") && *(__u16 *)(payload + 8) == WORD2("in");
}
