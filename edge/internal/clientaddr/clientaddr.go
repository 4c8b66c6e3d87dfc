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
	// Trusted: the peer is a trusted proxy, whose headers can be believed.
	Trusted bool
}

// Finder knows the trusted proxies.
type Finder struct {
	trusted []netip.Prefix
	exempt  []netip.Prefix
	xff     realclientip.RightmostTrustedRangeStrategy
}

// New makes a finder; networks are addresses or prefixes.
func New(trusted, exempt []string) (*Finder, error) {
	f := &Finder{}
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
		return Client{Key: f.key(addr), Local: addr.IsLoopback() && !forwarded(r)}
	}
	client := Client{Key: f.key(addr), Trusted: true}
	if told, err := netip.ParseAddr(f.xff.ClientIP(r.Header, r.RemoteAddr)); err == nil {
		client.Key = f.key(told.Unmap())
	}
	return client
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

func (f *Finder) key(addr netip.Addr) string {
	if within(f.exempt, addr.WithZone("")) {
		return exemptMark + network(addr)
	}
	return network(addr)
}

func network(addr netip.Addr) string {
	if addr.Is4() {
		return addr.String()
	}
	subscriber, err := addr.WithZone("").Prefix(64)
	if err != nil {
		return addr.String()
	}
	return subscriber.String()
}
