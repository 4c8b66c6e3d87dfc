// Package check checks the values of settings.
package check

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Checker collects problems with values, each with its key and the file, variable or flag
// that set it. It serves one goroutine.
type Checker struct {
	origin   map[string]string
	problems []error
}

// New returns a checker. origin has the file, variable or flag that set each key; a key that is not
// in origin has its default.
func New(origin map[string]string) *Checker { return &Checker{origin: origin} }

// Problems returns the problems that were found, in their order.
func (c *Checker) Problems() []error { return c.problems }

// Require notes a problem with the value of a key unless ok. The text shows the value, and names a right
// one.
func (c *Checker) Require(ok bool, key, format string, args ...any) {
	if ok {
		return
	}
	whole, _, _ := strings.Cut(key, "[") // an element of a list
	place := c.origin[whole]
	if place == "" {
		place = "default"
	}
	c.problems = append(c.problems, fmt.Errorf("%s: %s: %s", place, key, fmt.Sprintf(format, args...)))
}

// Within requires a number from low to high.
func Within[T int | int64](c *Checker, key string, v, low, high T) {
	c.Require(v >= low && v <= high, key, "%d is not within %d…%d", v, low, high)
}

// Duration requires a duration from low to high.
func (c *Checker) Duration(key string, d, low, high time.Duration) {
	c.Require(d >= low && d <= high, key, "%v is not within %v…%v", d, low, high)
}

// OneOf requires one of the allowed values.
func (c *Checker) OneOf(key, v string, allowed ...string) {
	for _, a := range allowed {
		if v == a {
			return
		}
	}
	c.Require(false, key, "%q is not one of %s", v, strings.Join(allowed, ", "))
}

// Address requires host:port, or "".
func (c *Checker) Address(key, v string) {
	_, port, err := net.SplitHostPort(v)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	c.Require(v == "" || err == nil, key, "%q is not an address: write host:port (IPv6: [host]:port; port 0…65535)", v)
}

// Endpoint requires an address, or the path of a Unix socket.
func (c *Checker) Endpoint(key, v string) {
	if path, ok := strings.CutPrefix(v, "unix:"); ok {
		// 107 bytes is the limit of the kernel (unix(7)).
		c.Require(path != "" && len(path) < 108, key, "%q is not the path of a Unix socket: it must have 1 to 107 bytes", v)
		return
	}
	c.Require(v != "", key, "an address is empty: write host:port or unix:PATH")
	c.Address(key, v)
}

// Networks requires addresses, and networks in CIDR notation.
func (c *Checker) Networks(key string, all []string) {
	for _, network := range all {
		_, err := ParseNetwork(network)
		c.Require(err == nil, key, "%q is not an address or a network: write one such as 10.0.0.0/8", network)
	}
}

// ParseNetwork parses a network in CIDR notation, or an address, which it returns as a network
// of one address.
func ParseNetwork(text string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(text); err == nil {
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	return netip.ParsePrefix(text)
}

// IsURL reports whether a text is an HTTP URL with a host, without a user and a query.
func IsURL(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.User == nil && u.RawQuery == ""
}

var host = regexp.MustCompile(`^(\*|(\*\.)?[A-Za-z0-9_.-]*[A-Za-z0-9]|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?$`)

// IsHost reports whether a text is *, or a host or *.domain, perhaps with a port.
func IsHost(text string) bool { return host.MatchString(text) }
