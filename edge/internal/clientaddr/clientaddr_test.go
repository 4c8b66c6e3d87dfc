package clientaddr

import (
	"net"
	"net/http/httptest"
	"net/netip"
	"testing"
)

// named is the networks that an operator named.
type named struct{}

func (named) Exempt(a netip.Addr) bool { return a == netip.MustParseAddr("192.0.2.77") }
func (named) Blocked(a netip.Addr) bool {
	return netip.MustParsePrefix("2001:db8:bad::/48").Contains(a)
}

func TestFind(t *testing.T) {
	f, err := New([]string{"10.0.0.0/8", "127.0.0.1"}, []string{"203.0.113.0/24", "2001:db8:9::5"}, named{})
	if err != nil {
		t.Fatal(err)
	}
	bare, err := New(nil, nil, named{})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		finder    *Finder
		peer, xff string
		want      Client
	}{
		"direct":                     {f, "192.0.2.1:1", "", Client{Key: "192.0.2.1"}},
		"a forged header":            {f, "192.0.2.1:1", "198.51.100.7", Client{Key: "192.0.2.1", Unbelieved: true}},
		"behind a proxy":             {f, "10.1.1.1:1", "198.51.100.7", Client{Key: "198.51.100.7", Trusted: true}},
		"behind two proxies, forged": {f, "10.1.1.1:1", "1.1.1.1, 198.51.100.7, 10.9.9.9", Client{Key: "198.51.100.7", Trusted: true}},
		"a proxy without a header":   {f, "10.1.1.1:1", "", Client{Key: "10.1.1.1", Trusted: true, Inner: true}},
		"garbage from a proxy":       {f, "10.1.1.1:1", "banana", Client{Key: "10.1.1.1", Trusted: true}},
		"IPv6 by /64":                {f, "[2001:db8:1:2:3:4:5:6]:1", "", Client{Key: "2001:db8:1:2::/64"}},
		"IPv4 in IPv6":               {f, "[::ffff:192.0.2.1]:1", "", Client{Key: "192.0.2.1"}},
		"exempt by an operator":      {f, "192.0.2.77:1", "", Client{Key: "exempt 192.0.2.77"}},
		"blocked by an operator":     {f, "10.1.1.1:1", "2001:db8:bad::1", Client{Key: "2001:db8:bad::/64", Trusted: true, Blocked: true}},
		"local":                      {bare, "127.0.0.1:1", "", Client{Key: "127.0.0.1", Local: true}},
		"local, for another client":  {bare, "127.0.0.1:1", "198.51.100.7", Client{Key: "127.0.0.1", Unbelieved: true}},
		"local IPv6":                 {bare, "[::1]:1", "", Client{Key: "::/64", Local: true}},
		"exempt":                     {f, "10.1.1.1:1", "203.0.113.9", Client{Key: "exempt 203.0.113.9", Trusted: true}},
		"exempt IPv6":                {f, "[2001:db8:9::5]:1", "", Client{Key: "exempt 2001:db8:9::/64"}},
		"a neighbour in IPv6":        {f, "[2001:db8:9::6]:1", "", Client{Key: "2001:db8:9::/64"}},
		"no address":                 {bare, "@", "", Client{Key: "unknown"}},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = c.peer
		if c.xff != "" {
			r.Header.Set("X-Forwarded-For", c.xff)
		}
		if got := c.finder.Find(r); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

func TestPeer(t *testing.T) {
	f, err := New([]string{"10.0.0.0/8"}, []string{"203.0.113.0/24"}, named{})
	if err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", "::ffff:192.0.2.1": "192.0.2.1", "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64",
		"10.1.1.1": "", "203.0.113.9": "", "192.0.2.77": "",
	} {
		if got := f.Peer(&net.TCPAddr{IP: net.ParseIP(address), Port: 1}); got != want {
			t.Errorf("%s: %q, want %q", address, got, want)
		}
	}
	if got := f.Peer(&net.UnixAddr{}); got != "" {
		t.Errorf("a socket: %q", got)
	}
}
