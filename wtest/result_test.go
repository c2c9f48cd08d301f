package wtest

import "testing"

// TestRedirects: a test has the same names for where packets go as the chain.
func TestRedirects(t *testing.T) {
	files := map[string]string{
		"go.weir": `
def main(pkt):
    if pkt.len > 100:
        return redirect(1)
    return redirect_cpu(pkt.ip4.ttl % 2)
def pair(pkt):
    return redirect_peer("nowhere0")
def user(pkt):
    return to_user(pkt.ip4.ttl % 2)
`,
		"go_test.weir": `load("./go.weir", "main", "pair", "user")
def test_cpu():
    r = run(main, packet(ip4(ttl = 64)))
    assert.eq((r.verdict, r.to), (redirect_cpu(0), "cpu0"))
    assert.ne(r.verdict, redirect_cpu(1))
    assert.ne(r.verdict, redirect("0"))
def test_index():
    r = run(main, packet(ip4(), b"x" * 100))
    assert.eq((r.verdict, r.to), (redirect(1), "lo"))
    assert.eq(r.verdict, redirect("lo"))
def test_peer():
    r = run(pair, packet(ip4()))
    assert.eq((r.hook, r.verdict, r.to), ("tc-ingress", redirect_peer("nowhere0"), "nowhere0"))
    assert.ne(r.verdict, redirect("nowhere0"))
def test_user():
    r = run(user, packet(ip4(ttl = 64)))
    assert.eq((r.hook, r.verdict, r.to), ("xdp", to_user(0), "queue0"))
    assert.ne(r.verdict, to_user(1))
    assert.ne(r.verdict, redirect_cpu(0))
    other = run(user, packet(ip4(ttl = 65)))
    assert.eq((other.verdict, other.reason), (PASS, "nobody receives"))
def test_shown():
    assert.eq(str([to_user(5), redirect_cpu(3), redirect(1), redirect_peer("a")]), '[to_user(5), redirect_cpu(3), redirect("lo"), redirect_peer("a")]')
def test_wrong():
    assert.fails(lambda: redirect_cpu("a"), "takes the number of a CPU")
    assert.fails(lambda: to_user("a"), "takes the number of a queue")
    assert.fails(lambda: redirect(0), "no index of an interface")
    assert.fails(lambda: redirect(True), "takes the name of an interface")
`,
	}
	want := "passed test_cpu:2 \npassed test_index:7 \npassed test_peer:11 \npassed test_user:15 \npassed test_shown:22 \npassed test_wrong:24 \n"
	if got := runs(t, files, "go_test.weir", Options{}); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}
