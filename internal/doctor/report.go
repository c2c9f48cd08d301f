package doctor

import (
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"weir/datapath"
)

// A Report is what a bug report should say of a machine.
type Report struct {
	Weir    string  `json:"weir"`   // version
	Go      string  `json:"go"`     // version
	Kernel  string  `json:"kernel"` // release
	Build   string  `json:"build"`  // of the kernel
	Arch    string  `json:"arch"`
	CPUs    int     `json:"cpus"`
	Healthy bool    `json:"healthy"`
	Checks  []Check `json:"checks"`
}

// NewReport examines the machine for a version of weir. k is where attachments
// live.
func NewReport(version string, k datapath.Kernel) Report {
	r := Report{Weir: version, Go: runtime.Version(), Arch: runtime.GOARCH, CPUs: runtime.NumCPU(), Checks: Examine(k)}
	var u unix.Utsname
	if unix.Uname(&u) == nil { // its Nodename is nobody's business
		r.Kernel, r.Build = unix.ByteSliceToString(u.Release[:]), unix.ByteSliceToString(u.Version[:])
	}
	r.Healthy = Healthy(r.Checks)
	return r
}

// Write writes the report with what is attached, as a text that can be shown to
// anybody.
func (r Report) Write(w io.Writer, k datapath.Kernel) error {
	gs, err := k.List()
	h := newHider(gs)
	var b strings.Builder
	fmt.Fprintf(&b, "weir %s, %s\nLinux %s, %s\n%s, %d CPUs\n%s\n", r.Weir, r.Go, r.Kernel, r.Build, r.Arch, r.CPUs,
		time.Now().UTC().Format(time.DateTime+" UTC"))
	fmt.Fprintf(&b, "\nWhat works:\n")
	for _, c := range r.Checks {
		fmt.Fprintf(&b, "  %-8s %-8s %s", c.Status, c.Area, c.Name)
		if c.Detail != "" {
			fmt.Fprintf(&b, ": %s", h.hide(c.Detail))
		}
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "\nWhat is attached:\n")
	if len(gs) == 0 {
		fmt.Fprintf(&b, "  nothing\n")
	}
	for _, g := range gs {
		fmt.Fprintf(&b, "  %s, generation %d, since %s\n", h.hide(g.Name), g.Number, g.Time.UTC().Format(time.DateTime+" UTC"))
		for _, a := range g.Places() {
			there, aerr := a.Attached()
			fmt.Fprintf(&b, "    %s:%s, mode %s, fragments %t, there %t%s%s\n", h.place(a), a.Where.Hook, a.Mode, a.Frags, there,
				h.note(a.Why), h.note(text(aerr)))
		}
		if cerr := g.Close(); cerr != nil {
			fmt.Fprintf(&b, "    close: %s\n", h.hide(cerr.Error()))
		}
	}
	if err != nil {
		fmt.Fprintf(&b, "  %s\n", h.hide(err.Error()))
	}
	_, err = io.WriteString(w, b.String())
	return err
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// A hider takes names and addresses out of texts.
type hider struct {
	names map[string]string // of interfaces and namespaces
	words *regexp.Regexp    // any of them, as a word
}

func newHider(gs []*datapath.Generation) *hider {
	h := &hider{names: map[string]string{}}
	add := func(kind, name string) {
		if name != "" && h.names[name] == "" {
			h.names[name] = fmt.Sprintf("%s%d", kind, len(h.names)+1)
		}
	}
	for _, g := range gs {
		for _, a := range g.Places() {
			add("if", a.Where.Interface)
			add("ns", a.Where.Netns)
		}
	}
	is, _ := net.Interfaces()
	for _, i := range is {
		add("if", i.Name)
	}
	if host, err := os.Hostname(); err == nil {
		add("host", host)
	}
	var words []string
	for n := range h.names {
		words = append(words, regexp.QuoteMeta(n))
	}
	// The longest first: eth0.5 before eth0.
	slices.SortFunc(words, func(a, b string) int { return len(b) - len(a) })
	h.words = regexp.MustCompile(`(^|[^\w])(` + strings.Join(words, "|") + `)\b`)
	return h
}

// address is an IPv4 or IPv6 or MAC address, or a home.
var address = regexp.MustCompile(`\b\d{1,3}(\.\d{1,3}){3}\b|\b[0-9a-fA-F]{0,4}(:[0-9a-fA-F]{0,4}){2,7}\b|/home/[^/\s]+`)

// hide returns s with numbers for names, and without addresses.
func (h *hider) hide(s string) string {
	s = address.ReplaceAllString(s, "(hidden)")
	return h.words.ReplaceAllStringFunc(s, func(m string) string {
		parts := h.words.FindStringSubmatch(m)
		return parts[1] + h.names[parts[2]]
	})
}

func (h *hider) place(a *datapath.Attachment) string {
	if a.Where.Netns == "" {
		return h.names[a.Where.Interface]
	}
	return h.names[a.Where.Netns] + "/" + h.names[a.Where.Interface]
}

// note is a remark at the end of a line.
func (h *hider) note(s string) string {
	if s == "" {
		return ""
	}
	return "\n      " + strings.ReplaceAll(h.hide(s), "\n", "\n      ")
}
