// Package clientaddr tells whose request it is, for the throttles: the peer's
// address, or what X-Forwarded-For says where the peer is a trusted proxy.
package clientaddr

import (
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/realclientip/realclientip-go"

	"github.com/thumbmill/thumbmill/shared/settings"
)

// Client is who asks.
type Client struct {
	// Key names the client for throttles: an IPv4 address, or an IPv6 network
	// of 64 bits, since one subscriber has them all. IsExempt tells those of exempt
	// networks.
	Key string
	// Local: a process of this machine that is no proxy for another.
	Local bool
	// Blocked: an operator keeps its network out.
	Blocked bool
	// Trusted: the peer is a trusted proxy, whose headers can be believed.
	Trusted bool
	// Inner: the client itself is in a trusted network: it asks for nobody else.
	Inner bool
	// Unbelieved: the peer says for whom it asks, and is no trusted proxy. If it is one of the
	// site's, all its clients count as one.
	Unbelieved bool
}

// Networks are those that operators named for a time.
type Networks interface {
	Exempt(addr netip.Addr) bool
	Blocked(addr netip.Addr) bool
}

// Finder knows the trusted proxies.
type Finder struct {
	named   Networks
	trusted []netip.Prefix
	exempt  []netip.Prefix
	xff     realclientip.RightmostTrustedRangeStrategy
}

// New makes a finder; networks are addresses or prefixes.
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
		p, err := settings.ParseNetwork(text)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
}

const exemptMark = "exempt "

// Nobody is the key of work that no client asked for; per-ip does not count it.
const Nobody = exemptMark + "nobody"

// IsExempt reports whether a client's key is of a network that per-ip does not count.
func IsExempt(key string) bool { return strings.HasPrefix(key, exemptMark) }

// Find tells whose request it is.
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

// Peer names the client whose connection it is: "" for a trusted proxy's, which is of
// many, and for those that per-ip does not count.
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

// client adds what follows from the address.
func (f *Finder) client(addr netip.Addr, c Client) Client {
	addr = addr.WithZone("")
	c.Key, c.Blocked = network(addr), f.named.Blocked(addr)
	if within(f.exempt, addr) || f.named.Exempt(addr) {
		c.Key = exemptMark + c.Key
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
