// Package clientaddr tells whose request it is, for the throttles: the peer's
// address, or what X-Forwarded-For says where the peer is a trusted proxy.
package clientaddr

import (
	"net"
	"net/http"
	"net/netip"

	"github.com/realclientip/realclientip-go"

	"github.com/thumbmill/thumbmill/shared/settings"
)

// Client is who asks.
type Client struct {
	// Key names the client for throttles: an IPv4 address, or an IPv6 network
	// of 64 bits, since one subscriber has them all.
	Key string
	// Local: a process of this machine that is no proxy for another.
	Local bool
	// Trusted: the peer is a trusted proxy, whose headers can be believed.
	Trusted bool
}

// Finder knows the trusted proxies.
type Finder struct {
	trusted []netip.Prefix
	xff     realclientip.RightmostTrustedRangeStrategy
}

// New makes a finder; networks are addresses or prefixes.
func New(networks []string) (*Finder, error) {
	f := &Finder{}
	var ranges []net.IPNet
	for _, text := range networks {
		p, err := settings.ParseNetwork(text)
		if err != nil {
			return nil, err
		}
		f.trusted = append(f.trusted, p)
		ranges = append(ranges, net.IPNet{IP: p.Masked().Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())})
	}
	var err error
	f.xff, err = realclientip.NewRightmostTrustedRangeStrategy("X-Forwarded-For", ranges)
	return f, err
}

// Find tells whose request it is.
func (f *Finder) Find(r *http.Request) Client {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return Client{Key: "unknown"}
	}
	addr := peer.Addr().Unmap()
	if !f.trusts(addr) {
		return Client{Key: key(addr), Local: addr.IsLoopback() && !forwarded(r)}
	}
	client := Client{Key: key(addr), Trusted: true}
	if told, err := netip.ParseAddr(f.xff.ClientIP(r.Header, r.RemoteAddr)); err == nil {
		client.Key = key(told.Unmap())
	}
	return client
}

func (f *Finder) trusts(addr netip.Addr) bool {
	for _, p := range f.trusted {
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

func key(addr netip.Addr) string {
	if addr.Is4() {
		return addr.String()
	}
	network, err := addr.WithZone("").Prefix(64)
	if err != nil {
		return addr.String()
	}
	return network.String()
}
