package ref

// headersOf is the IP header without options or extension headers and the TCP header
// with its options; nil if they are not there.
func headersOf(v value) (ip, tcp []byte) {
	p, ok := v.(*packet)
	if !ok {
		refuse("syncookie: want the packet, not %s", v.Type())
	}
	l := walk(p.frame, p.e.ethernet())
	if l.l4kind != "tcp" {
		return nil, nil
	}
	if l.ip4 != absent {
		ip = p.frame[l.ip4:][:20]
	} else {
		ip = p.frame[l.ip6:][:40]
	}
	return ip, p.frame[l.l4:][:int(p.frame[l.l4+12]>>4)*4]
}

// synCookie is syncookie(pkt).
func (e *evaluator) synCookie(v value) (cookie uint32, mss uint16) {
	ip, tcp := headersOf(v)
	if tcp == nil || e.opts.SynCookie == nil {
		return 0, 0
	}
	return e.opts.SynCookie(ip, tcp)
}

// cookieOK is syncookie_ok(pkt).
func (e *evaluator) cookieOK(v value) bool {
	ip, tcp := headersOf(v)
	return tcp != nil && e.opts.CookieOK != nil && e.opts.CookieOK(ip, tcp)
}
