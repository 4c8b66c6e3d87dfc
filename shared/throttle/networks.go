package throttle

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/settings/check"
)

// MostNetworks bounds the networks with limits of their own, because the coordinators' protocol bounds an
// edge's rules (lease.MaxRules).
const MostNetworks = 16

// subscriber is the number of bits of the smallest IPv6 network that throttles count.
const subscriber = 64

// Network is a network whose clients have limits of their own, for a time.
type Network struct {
	Prefix netip.Prefix
	Pool   settings.Pool // the limits of each client
	// Directed is false after the directive's end. The network then keeps its rule at the coordinators, and its
	// clients have the limits of everybody.
	Directed bool
}

// ParseNetwork parses a network in CIDR notation, or an address. An IPv6 address stands for its /64.
func ParseNetwork(text string) (netip.Prefix, error) {
	network, err := check.ParseNetwork(text)
	switch {
	case err != nil:
		return network, fmt.Errorf("%q is not a network: write one such as 192.0.2.0/24 or 2001:db8::/48", text)
	case network.Addr().Is6() && !strings.Contains(text, "/"):
		network = netip.PrefixFrom(network.Addr(), subscriber)
	case network.Addr().Is6() && network.Bits() > subscriber:
		return network, fmt.Errorf("%s is too small: the smallest IPv6 network is a /%d", network, subscriber)
	}
	return network.Masked(), nil
}

// NetworkRule returns the name of the rule of a network.
func NetworkRule(n netip.Prefix) string { return ruleName(PerIP, n.String()) }

// OfNetworkRule returns the network of a rule, if the rule is a network's.
func OfNetworkRule(rule string) (n netip.Prefix, ok bool) {
	of, text := OfRule(rule)
	if of != PerIP || text == "" {
		return n, false
	}
	n, err := ParseNetwork(text)
	return n, err == nil
}

// OfClient returns the limits of a client: the limits of its smallest network in l.Networks, or else per-ip.
// at is the network's position in l.Networks, or -1.
func (l Limits) OfClient(client string) (p settings.Pool, at int) {
	p, at = l.Settings.PerIP, -1
	if len(l.Networks) == 0 {
		return p, at
	}
	text, _, _ := strings.Cut(client, "/") // IPv6 clients are networks
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return p, at
	}
	for i, n := range l.Networks {
		if n.Directed && n.Prefix.Contains(addr) && (at < 0 || n.Prefix.Bits() > l.Networks[at].Prefix.Bits()) {
			p, at = n.Pool, i
		}
	}
	return p, at
}
