package web

import (
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/thumbmill/thumbmill/shared/fault"
)

// onlyHere reports whether this request may use URLs that only this machine may use.
func (x *exchange) onlyHere() bool {
	e := x.handler.settings.Edge
	return x.client.Local && len(e.Keys()) == 0 && !e.AllowUnsafe
}

// checkHost returns the fault Misdirected for a Host header that edge.hosts does not list. Without that
// setting every name is right, except where an edge serves unsigned URLs to its own machine alone:
// a page of another site can point a name of its own at this machine, and would read answers
// through the browser of this machine's user (DNS rebinding).
func (x *exchange) checkHost() error {
	name := hostName(x.r.Host)
	switch allowed := x.handler.settings.Edge.Hosts; {
	case len(allowed) > 0 && !lists(allowed, name):
		return fault.New(fault.Misdirected, "this server does not answer for the host %q", name).Remedied("list the host in edge.hosts")
	case len(allowed) == 0 && x.onlyHere() && !loopback(name):
		return fault.New(fault.Misdirected, "this server answers its own machine by localhost or by an address only, not by %q", name).Remedied("list the host in edge.hosts, or set edge.security_key")
	}
	return nil
}

// hostName returns the name of a Host header in lower case, without its port and without the dot of a
// full name.
func hostName(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
}

func lists(allowed []string, name string) bool {
	return slices.ContainsFunc(allowed, func(pattern string) bool {
		pattern = strings.ToLower(pattern)
		domain, below := strings.CutPrefix(pattern, "*.")
		return pattern == name || below && strings.HasSuffix(name, "."+domain)
	})
}

// loopback reports whether nobody else can have registered a name: an address, localhost or a name below it
// (RFC 6761), or a name without a dot. A request of HTTP/1.0 has no name, and comes from no browser.
func loopback(name string) bool {
	_, err := netip.ParseAddr(name)
	return err == nil || !strings.Contains(name, ".") || strings.HasSuffix(name, ".localhost")
}
