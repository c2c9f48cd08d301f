package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"weir/trace"
)

// What is attached tells of the packets that match, and of no other, and then is as it
// was.
func TestExplainLive(t *testing.T) {
	w := profiledWorld{newWorld(t), t}
	check(t, os.WriteFile(filepath.Join(w.dir, "p.weir"), []byte(profiledChain), 0o600))
	w.must("weir attach p.weir:first p.weir:second --name p --on eth0")
	w.must("exec weir attach p.weir:first p.weir:second --name p --replace --on eth0")
	defer w.must("weir detach p")
	w.send(5, 4053, 5)

	x := w.begin("p is watched for", "explain", "p", "--live", "--json", "--packets", "3",
		"--match", "pkt.udp.dport == 4080 and limit == 9 and seen[4053] == 25")
	w.must("weir set p limit=9")
	w.send(20, 4053, 25)
	w.send(11, 4080, 11)
	if err := x.cmd.Wait(); err != nil {
		t.Errorf("weir explain: %v\n%s", err, x.text())
	}
	<-x.done
	text := x.text()
	d := json.NewDecoder(strings.NewReader(text[strings.Index(text, "{"):]))
	for n := 1; n <= 3; n++ {
		var way trace.Way
		check(t, d.Decode(&way))
		var told []string
		for _, s := range way.Statements {
			told = append(told, fmt.Sprintf("%d %s", s.Line, strings.Join(s.Notes, " ")))
		}
		got := fmt.Sprintf("%d %s %s %s %d %d %s", way.N, way.Where[strings.LastIndex(way.Where, "/")+1:], way.Verdict, way.Chain, way.Line, way.InLen, strings.Join(told, "; "))
		at := "seen has no 4080 seen[…] = 1"
		if n > 1 {
			at = fmt.Sprintf("seen[4080] is %d seen[…] = %d", n-1, n)
		}
		if want := fmt.Sprintf("%d eth0:xdp PASS p:second 15 60 5 ; 7 ; 10 ; 12 %s; 13 4080 != 4053; 15 ", n, at); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	if strings.Contains(text, "could not be shown") {
		t.Errorf("packets were missed:\n%s", text)
	}
	w.asItWas(26)

	// A chain that has no such packet; a match that is none.
	out, err := w.run(`exec weir explain p --live --for 200ms --match pkt.tcp`)
	if err != nil || !strings.Contains(out, "no packet matched in 200ms") {
		t.Errorf("weir explain: %v\n%s", err, out)
	}
	out, err = w.run(`exec weir explain p --live --match pkt.nosuch`)
	if err == nil || !strings.Contains(out, "--match:1:5: error: ") {
		t.Errorf("weir explain: %v\n%s", err, out)
	}
	w.asItWas(27)

	// Who takes it back ends it.
	x = w.begin("p is watched for", "explain", "p", "--live", "--for", "10m", "--match", "pkt.tcp")
	w.must("exec weir rollback p")
	x.waitFor(t, "another command has taken p back")
	x.cmd.Wait()
	<-x.done
	if strings.Contains(x.text(), "no packet matched") {
		t.Errorf("the time was not over:\n%s", x.text())
	}
	w.asItWas(28)

	// Killed, it leaves the rest to the next command.
	x = w.begin("p is watched for", "explain", "p", "--live", "--for", "1s", "--match", "pkt.tcp")
	check(t, x.cmd.Process.Kill())
	x.cmd.Wait()
	w.send(3, 4080, 14)
	w.asItWas(29)
}

// More packets than can be told of at once are missed, and do not count among those that
// are to be shown. Who stops reading what is shown ends it, and the chain is as it was.
func TestExplainLiveFlood(t *testing.T) {
	w := profiledWorld{newWorld(t), t}
	check(t, os.WriteFile(filepath.Join(w.dir, "p.weir"), []byte(profiledChain), 0o600))
	w.must("weir attach p.weir:first p.weir:second --name p --on eth0")
	defer w.must("weir detach p")
	frames := slices.Repeat([][]byte{w.frame(4080)}, 8000)

	for _, read := range []int{5000, 1} {
		r, out, err := os.Pipe()
		check(t, err)
		cmd := exec.CommandContext(t.Context(), filepath.Join(w.dir, "weir"), "explain", "p", "--live", "--json", "--packets", "5000", "--for", "1h")
		cmd.Env, cmd.Stdout = w.env, out
		check(t, w.host.Do(cmd.Start))
		check(t, out.Close())
		go func() {
			defer r.Close()
			lines := bufio.NewScanner(r)
			for range read {
				if !lines.Scan() {
					t.Errorf("it ended before line %d", read)
					return
				}
			}
		}()
		ended := make(chan error)
		go func() { ended <- cmd.Wait() }()
		for going := true; going; {
			select {
			case err := <-ended:
				if going = false; err != nil {
					t.Errorf("after %d lines: %v", read, err)
				}
			default:
				check(t, w.peer.Send(t.Context(), "veth0", frames...))
			}
		}
		w.until("weir show p", "generation 1,")
	}
}

// A place is called what it is by now, and a packet is described as it was there. When no
// place is left, that ends what looks into the chain.
func TestTrialPlaces(t *testing.T) {
	w := profiledWorld{newWorld(t), t}
	check(t, os.WriteFile(filepath.Join(w.dir, "p.weir"), []byte(profiledChain), 0o600))
	explain := []string{"explain", "p", "--live", "--for", "10m", "--match", "pkt.udp"}
	end := func(x *terminal) (string, error) {
		err := x.cmd.Wait()
		<-x.done
		return x.text(), err
	}

	w.must("ip link set eth0 address 02:00:00:00:00:02") // what frames are sent to
	w.must("weir attach p.weir:second --name p --on @netfilter-input")
	x := w.begin("p is watched for", append(explain, "--packets", "1")...)
	w.send(1, 4080, 1)
	const addrs = "10.9.0.1:4000 > 10.9.0.2:4080"
	if text, err := end(x); err != nil || !strings.Contains(text, "bytes  ip4 udp  "+addrs) {
		t.Errorf("weir explain: %v\n%s", err, text)
	}

	w.must("weir attach p.weir:second --name p --on eth0:tc-ingress")
	defer w.must("weir detach p")
	x = w.begin("p is watched for", append(explain, "--packets", "2")...)
	w.send(1, 4080, 1)
	x.waitFor(t, "eth0:tc-ingress")
	w.must("ip link set eth0 down && ip link set eth0 name moved && ip link set moved up")
	w.send(1, 4080, 2)
	if text, err := end(x); err != nil || !strings.Contains(text, "moved:tc-ingress") || !strings.Contains(text, "bytes  eth ip4 udp  "+addrs) {
		t.Errorf("weir explain: %v\n%s", err, text)
	}

	profile := w.start("--for", "10m")
	w.must("ip link del moved")
	const gone = "no packet comes to p: every interface, network namespace or cgroup that it was at is gone"
	if text, err := end(profile); err == nil || !strings.Contains(text, gone) {
		t.Errorf("weir profile: %v\n%s", err, text)
	}
	w.until("weir show p", "generation 1,")

	w.must("exec weir attach p.weir:second --name p --replace --on eth1")
	x = w.begin("p is watched for", explain...)
	w.must("ip link del eth1")
	if text, err := end(x); err == nil || !strings.Contains(text, gone) || strings.Contains(text, "no packet matched") {
		t.Errorf("weir explain: %v\n%s", err, text)
	}
	w.until("weir show p", "generation 4,")
}
