// Package clientaddr finds the client of a request, for the throttles. The client is the peer's
// address; if the peer is a trusted proxy, it is the address in X-Forwarded-For.
package clientaddr

import (
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/realclientip/realclientip-go"

	"github.com/thumbmill/thumbmill/shared/settings/check"
	"github.com/thumbmill/thumbmill/shared/throttle"
)

// Client is the client of a request.
type Client struct {
	// Key names the client for throttles: an IPv4 address, or an IPv6 network of 64 bits, since
	// one subscriber has all addresses of such a network. IsExempt recognises the keys of exempt
	// networks.
	Key string
	// Local is true for a process on this machine that is not a proxy for another client.
	Local bool
	// Blocked is true if an operator blocks the client's network.
	Blocked bool
	// Trusted is true if the peer is a trusted proxy: the edge believes its headers.
	Trusted bool
	// Inner is true if the client itself is in a trusted network, and sends no header of a proxy.
	Inner bool
	// Unbelieved is true if the peer sends X-Forwarded-For, and is not a trusted proxy. If it is
	// one of the site's proxies, all its clients count as one client.
	Unbelieved bool
}

// Networks reports the networks that operators exempt or block for a time.
type Networks interface {
	Exempt(addr netip.Addr) bool
	Blocked(addr netip.Addr) bool
}

// Finder finds the client of a request. Its methods are safe for concurrent use.
type Finder struct {
	named   Networks
	trusted []netip.Prefix
	exempt  []netip.Prefix
	xff     realclientip.RightmostTrustedRangeStrategy
}

// New returns a finder. trusted is the proxies, and exempt is the networks that per-ip does not
// count. Both have addresses or prefixes. The error names a text that is neither.
func New(trusted, exempt []string, named Networks) (*Finder, error) {
	f := &Finder{named: named}
	var err error
	if f.trusted, err = parse(trusted); err != nil {
		return nil, err
	}
	if f.exempt, err = parse(exempt); err != nil {
		return nil, err
	}
	var ranges []net.IPNet
	for _, p := range f.trusted {
		ranges = append(ranges, net.IPNet{IP: p.Masked().Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())})
	}
	f.xff, err = realclientip.NewRightmostTrustedRangeStrategy("X-Forwarded-For", ranges)
	return f, err
}

func parse(networks []string) (all []netip.Prefix, err error) {
	for _, text := range networks {
		p, err := check.ParseNetwork(text)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
}

// Nobody is the key of work that no client asked for. per-ip does not count such work.
const Nobody = throttle.ExemptMark + "nobody"

// IsExempt reports whether a key belongs to a client that per-ip does not count.
func IsExempt(key string) bool { return strings.HasPrefix(key, throttle.ExemptMark) }

// Find returns the client of a request. The key is "unknown" if the peer has no IP address.
func (f *Finder) Find(r *http.Request) Client {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return Client{Key: "unknown"}
	}
	addr := peer.Addr().Unmap()
	if !within(f.trusted, addr) {
		return f.client(addr, Client{Local: addr.IsLoopback() && !forwarded(r), Unbelieved: r.Header.Get("X-Forwarded-For") != ""})
	}
	if told, err := netip.ParseAddr(f.xff.ClientIP(r.Header, r.RemoteAddr)); err == nil {
		addr = told.Unmap()
	}
	return f.client(addr, Client{Trusted: true, Inner: !forwarded(r)})
}

// Peer returns the key of a connection's client. It returns "" for a trusted proxy, whose
// connection serves many clients, and for a client that per-ip does not count.
func (f *Finder) Peer(peer net.Addr) string {
	tcp, ok := peer.(*net.TCPAddr)
	if !ok {
		return ""
	}
	addr := tcp.AddrPort().Addr().Unmap()
	key := f.client(addr, Client{}).Key
	if within(f.trusted, addr) || IsExempt(key) {
		return ""
	}
	return key
}

// client adds the key and Blocked for an address.
func (f *Finder) client(addr netip.Addr, c Client) Client {
	addr = addr.WithZone("")
	c.Key, c.Blocked = network(addr), f.named.Blocked(addr)
	if within(f.exempt, addr) || f.named.Exempt(addr) {
		c.Key = throttle.ExemptMark + c.Key
	}
	return c
}

func within(networks []netip.Prefix, addr netip.Addr) bool {
	for _, p := range networks {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

func forwarded(r *http.Request) bool {
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip", "Via"} {
		if r.Header.Get(name) != "" {
			return true
		}
	}
	return false
}

func network(addr netip.Addr) string {
	if addr.Is4() {
		return addr.String()
	}
	subscriber, err := addr.Prefix(64)
	if err != nil {
		return addr.String()
	}
	return subscriber.String()
}
