/* A map of every kind that there is in the language, written to for each packet. */
#include "bpf.h"

static void *(*bpf_ringbuf_reserve)(void *ringbuf, __u64 size, __u64 flags) = (void *)131;
static void (*bpf_ringbuf_submit)(void *data, __u64 flags) = (void *)132;
static long (*bpf_map_push_elem)(void *map, const void *value, __u64 flags) = (void *)87;
static long (*bpf_trace_printk)(const char *fmt, __u32 fmt_size, ...) = (void *)6;

#define MAP(name, t, n, k, v)                                                                                          \
	struct {                                                                                                       \
		__uint(type, t);                                                                                       \
		__uint(max_entries, n);                                                                                \
		__type(key, k);                                                                                        \
		__type(value, v);                                                                                      \
	} name SEC(".maps")

#define BAG(name, t, n, v)                                                                                             \
	struct {                                                                                                       \
		__uint(type, t);                                                                                       \
		__uint(max_entries, n);                                                                                \
		__type(value, v);                                                                                      \
	} name SEC(".maps")

struct event {
	__u32 a, b;
};

struct odd { /* which no record is like */
	char name[2], more[3];
	__be16 port;
};

MAP(hash, 1, 8, __u32, struct event);
MAP(array, 2, 4, __u32, __u64);
MAP(percpu_hash, 5, 8, __be32, __u64);
MAP(percpu_array, 6, 2, __u32, __u32);
MAP(lru, 9, 8, struct odd, struct odd);
MAP(percpu_lru, 10, 8, __u16, __u8);
BAG(queue, 22, 8, __u64);
BAG(stack, 23, 8, __u16);
BAG(events, 27, 4096, struct event);
BAG(bloom, 30, 100, __u32);
struct {
	__uint(type, 27);
	__uint(max_entries, 4096);
} raw SEC(".maps");

struct odd last;
__u8 flags[3] = {1, 2, 3};

__noinline int fill(__u32 x)
{
	struct event *e, pair = {x, x + 1};
	struct odd odd = {{'w', 'e'}, "ir", x};
	__u32 zero = 0, *n;
	__u64 wide = x;
	__u16 half = x;
	__u8 *r;

	bpf_map_update_elem(&hash, &x, &pair, 0);
	bpf_map_update_elem(&array, &zero, &wide, 0);
	bpf_map_update_elem(&percpu_hash, &x, &wide, 0);
	n = bpf_map_lookup_elem(&percpu_array, &zero);
	if (n)
		*n += x;
	bpf_map_update_elem(&lru, &odd, &odd, 0);
	bpf_map_update_elem(&percpu_lru, &half, &x, 0);
	bpf_map_push_elem(&queue, &wide, 0);
	bpf_map_push_elem(&stack, &half, 0);
	bpf_map_push_elem(&bloom, &x, 0);
	e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	if (e) {
		*e = pair;
		bpf_ringbuf_submit(e, 0);
	}
	r = bpf_ringbuf_reserve(&raw, 3, 0);
	if (r) {
		r[0] = r[1] = r[2] = x;
		bpf_ringbuf_submit(r, 0);
	}
	last = odd;
	flags[1]++;
	if (x == 1000000)
		bpf_trace_printk("never seen\n", 12);
	return 0;
}

char _license[] SEC("license") = "GPL";
