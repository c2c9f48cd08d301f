package random

import (
	"slices"
	"strings"
)

// families are features that come in rows: a form, and what stands for its *.
var families = [][2]string{
	{"op *", "+ - ~ * // % & | ^ << >> unary,-"},
	{"constant op *", "+ - * // %"},
	{"op= *", "+ - * // % & | ^ << >>"},
	{"cmp *", "== != < <= > >= signed mixed negative,constant"},
	{"cast *", "u8 u16 u32 u64 i8 i16 i32 i64"},
	{"equal *", "bool ip4 ip6 ip ip,with,one,family mac octets verdict tuple"},
	{"literal *", "bool ip4 ip6 ip mac octets"},
	{"param *", "int signed,int bool"},
	{"new local *", "int signed,int bool ip4 ip6 ip mac octets verdict tuple"},
	{"assign local *", "int signed,int bool ip4 ip6 ip mac octets verdict tuple"},
	{"read local *", "int signed,int bool ip4 ip6 ip mac octets verdict tuple"},
	{"call giving *", "int signed,int bool ip4 verdict tuple nothing"},
	{"verdict *", "PASS ACCEPT DROP TX drop(reason) redirect(index) redirect(name) redirect(list) redirect_cpu() to_user() reject()"},
	{"map *", "table lru array lpm ring queue stack bloom in,struct as,argument"},
	{"swap *", "eth ip4 ip6 ip tcp udp locals"},
	{"percpu *", "table lru array"},
	{"queue*", ".push .push,in,condition .pop()"}, {"stack*", ".push .push,in,condition .pop()"}, {"init of *", "queue stack"},
	{"record out of *", "queue stack"}, {"ring.emit(*)", "x record field,=,x"}, {"*", "bloom.add in,bloom log octets[i]"},
	{"in *", "long,list,by,bit,map long,list,by,hash list,of,octets"}, {"for over *", "list,of,octets"},
	{"payload.*", "find contains put_u8 put_u16 put_u32 put_u64 put_bytes"}, {"option.*", "put_u8 put_u16 put_u32 put_u64 put_bytes"},
	{"*", "pkt.bytes pkt.payload.bytes condition,octets"},
	{"pkt.*", "push pop trim vlan_push vlan_pop encap decap put_u8 put_u16 put_u32 put_u64 put_bytes sum payload.sum"}, {"encap *", "ipip gre gue vxlan geneve srv6"},
	{"*", "pkt.u8 pkt.u16 pkt.u32 pkt.u64 pkt.payload.u8 pkt.payload.u16 pkt.payload.u32 pkt.payload.u64"},
	{"read pkt.*", "mark priority"}, {"write pkt.*", "mark priority"},
	{"option.*", "u8 u16 u32 u64 len startswith"},
}

// single are the other features.
const single = `
abs; and; condition pkt.inner; condition inside; read inside; argument left out; array index that may be past the end; array reference; array.get(k); 
array.get(k, d); array.incr(k); array.incr(k, n); array[k]; array[k] = x; array[k] op= x; array[k].field; 
assign unsigned to signed local; augmented header field; bare return; bool in arithmetic; bool(int); break; 
call as statement; closure; condition header in local; condition option; condition filter; option of run-time kind; condition int; conditional expression; continue; 
count; header.offset; mask; bit_length; fib(pkt); fib(address); clone; count with n; count(x); count(x, n); hist(name, x); hist(x); default argument; dict.get; early return; elif; else; end of main without return; 
entry = record; entry = record in local; entry.field = x; expiring; for; for over dict.items(); 
for over enumerate; for over list of bools; for over list of both signs; for over list of ints; 
for over list of ip4; for over zip; function as argument; hash_of; header in local; if; in; in array; in dict of ints; 
in dict of ip4; in list by comprehension; in list of bools; in list of both signs; in list of ints; 
in list of ip4; in list of prefix4; in list of prefix6; in lpm; in lru; in prefix; in prefix4; in prefix6; 
in table; in tuple; init of array; init of map; init of set; ip(ip4); ip(ip6); ip4(int); ip4(ip); ip6(ip); mac(int); mac.int; ip4.int; 
int to flag; keyword argument; list[int]; list[int] that may be past the end; lpm set; lpm.get(k); lpm[k]; lru reference; 
lru.add; lru.discard; lru.get(k); lru.get(k, d); lru.incr(k); lru.incr(k, n); lru.pop as statement; 
lru.pop(k); lru[k]; lru[k] = x; lru[k] op= x; lru[k].field; max; min; mixed operation; move in condition; negative constant; 
not; not in; or; pass; payload.len; payload.startswith; payload.view; payload.view field = x; option.view; pkt.len; pkt.segments; pkt.payload.u16; pkt.payload.u32; 
pkt.payload.u64; pkt.payload.u8; pkt.u16; pkt.u32; pkt.u64; pkt.u8; range from a negative number; 
range of constant; range of two; range that counts down; range with step; range(0, min, step); range(max =); 
octets of an integer; range(min); read at run-time offset; read at signed offset; record; record field; record field = x; 
record field left out; record field op= x; record key; return; sample; second name of record; set; 
shift at run time; signed key; signed operation; signed record field; signed shift; srh.segment(i); swap locals; 
table reference; table that fills up; table.add; table.discard; table.get(k); table.get(k, d); table.incr(k); 
table.incr(k, n); table.pop as statement; table.pop(k); table[k]; table[k] = x; table[k] op= x; 
table[k].field; tuple; tuple element; tuple key; two locals of one start in a loop; unpack tuple; verdict ACCEPT; verdict DROP; verdict PASS; 
verdict TX; verdict drop(reason); verdict redirect(index); verdict redirect(name); while; `

// Features returns the names under which [Source.Uses] counts, sorted. Some
// hundred programs together have all of them.
func Features() []string {
	var out []string
	add := func(form string, names ...string) {
		for _, n := range names {
			out = append(out, strings.Replace(form, "*", strings.ReplaceAll(n, ",", " "), 1))
		}
	}
	for _, f := range families {
		add(f[0], strings.Fields(f[1])...)
	}
	for _, f := range fields {
		add("read *", f.String())
		if f.width > 0 {
			add("write *", f.String())
		}
	}
	add("keep pkt.*", keptHeaders...)
	add("condition pkt.*", conditionHeaders...)
	for s := range strings.SplitSeq(single, ";") {
		if s = strings.TrimSpace(s); s != "" {
			out = append(out, s)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
