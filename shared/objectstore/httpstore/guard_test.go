package httpstore

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/objectstore/storeconfig"
)

// spellings of closed addresses. PORT is the port of a server that listens on all loopback addresses
// and counts connections.
var spellings = []string{
	// loopback, in plain and odd spellings
	"http://127.0.0.1:PORT/", "http://127.0.0.2:PORT/", "http://127.255.255.254:PORT/", "http://127.1:PORT/", "http://127.0.1:PORT/",
	"http://2130706433:PORT/", "http://0x7f000001:PORT/", "http://0x7f.0.0.1:PORT/", "http://0x7f.1:PORT/", "http://0177.0.0.1:PORT/",
	"http://017700000001:PORT/", "http://0177.0x0.0.1:PORT/", "http://127.0.0.1.:PORT/", "http://00000177.0.0.1:PORT/", "http://127.000.000.001:PORT/",
	"http://4294967297:PORT/", "http://127.0.0.1%2F:PORT/", "http://127%2e0%2e0%2e1:PORT/", "http://①②⑦.⓪.⓪.①:PORT/", "http://127。0。0。1:PORT/",
	"http://１２７.0.0.1:PORT/", "http://localhost:PORT/", "http://LOCALHOST:PORT/", "http://localhost.:PORT/", "http://ⓛocalhost:PORT/",
	"http://a.localhost:PORT/", "http://0:PORT/", "http://0.0.0.0:PORT/", "http://0.0.0.1:PORT/", "http://[::]:PORT/", "http://[::1]:PORT/",
	"http://[0:0:0:0:0:0:0:1]:PORT/", "http://[::0001]:PORT/", "http://[0::1%25lo]:PORT/", "http://[::1%25lo]:PORT/",
	// IPv4 within IPv6: mapped, compatible, translated, 6to4, Teredo, ISATAP
	"http://[::ffff:127.0.0.1]:PORT/", "http://[::ffff:7f00:1]:PORT/", "http://[0:0:0:0:0:ffff:127.0.0.1]:PORT/", "http://[::127.0.0.1]:PORT/",
	"http://[64:ff9b::127.0.0.1]:PORT/", "http://[64:ff9b::7f00:1]:PORT/", "http://[64:ff9b:1::7f00:1]:PORT/", "http://[::ffff:0:127.0.0.1]:PORT/",
	"http://[2002:7f00:1::]:PORT/", "http://[2002:7f00:1::1]:PORT/", "http://[2001:0:7f00:1::]:PORT/", "http://[2001::80ff:fffe]:PORT/",
	"http://[fe80::5efe:127.0.0.1]:PORT/", "http://[::ffff:169.254.169.254]/", "http://[64:ff9b::a9fe:a9fe]/",
	// metadata of clouds
	"http://169.254.169.254/latest/meta-data/", "http://2852039166/", "http://0xa9fea9fe/", "http://0251.0376.0251.0376/", "http://169.254.43518/",
	"http://169.254.170.2/", "http://100.100.100.200/", "http://192.0.0.192/", "http://[fd00:ec2::254]/", "http://metadata.google.internal/",
	// private, shared, link-local, special
	"http://10.0.0.1/", "http://10.255.255.255/", "http://172.16.0.1/", "http://172.31.255.254/", "http://192.168.0.1/", "http://100.64.0.1/",
	"http://198.18.0.1/", "http://192.0.2.1/", "http://198.51.100.7/", "http://203.0.113.9/", "http://224.0.0.1/", "http://240.0.0.1/",
	"http://255.255.255.255/", "http://[fe80::1]/", "http://[fc00::1]/", "http://[fdff::1]/", "http://[ff02::1]/", "http://[2001:db8::1]/",
	"http://[fec0::1]/", "http://[100::1]/", "http://[5f00::1]/",
	// addresses that are not valid, and other protocols
	"http://a@127.0.0.1:PORT/", "http://example.com@127.0.0.1:PORT/", "http://127.0.0.1:PORT#@example.com/", "http://127.0.0.1:PORT\\@example.com/",
	"file:///etc/passwd", "gopher://127.0.0.1:PORT/", "ftp://127.0.0.1:PORT/", "dict://127.0.0.1:PORT/", "http:127.0.0.1:PORT/", "//127.0.0.1:PORT/",
	"http://127.0.0.1:22/", "http:///127.0.0.1:PORT/", "http://\t127.0.0.1:PORT/", "http://127.0.0.1\r\nHost:x:PORT/", "jar:http://127.0.0.1:PORT/",
	"http://unix:PORT/", "http+unix://%2Frun%2Fx/",
}

// nameserver answers each question with the function's address, with a time to live of zero.
func nameserver(t *testing.T, answer func(name string) netip.Addr) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &dns.Server{PacketConn: conn, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		reply := new(dns.Msg).SetReply(q)
		addr := answer(q.Question[0].Name)
		header := dns.RR_Header{Name: q.Question[0].Name, Class: dns.ClassINET}
		switch {
		case addr.Is4() && q.Question[0].Qtype == dns.TypeA:
			header.Rrtype = dns.TypeA
			reply.Answer = append(reply.Answer, &dns.A{Hdr: header, A: addr.AsSlice()})
		case addr.Is6() && q.Question[0].Qtype == dns.TypeAAAA:
			header.Rrtype = dns.TypeAAAA
			reply.Answer = append(reply.Answer, &dns.AAAA{Hdr: header, AAAA: addr.AsSlice()})
		}
		_ = w.WriteMsg(reply)
	})}
	started := make(chan struct{})
	server.NotifyStartedFunc = func() { close(started) }
	ended := make(chan struct{})
	go func() { defer close(ended); _ = server.ActivateAndServe() }()
	<-started
	t.Cleanup(func() { _ = server.Shutdown(); <-ended })
	return conn.LocalAddr().String()
}

// trap counts the connections that it gets, on every address of this machine.
func trap(t *testing.T) (port string, caught *atomic.Int32) {
	t.Helper()
	listener, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	caught = &atomic.Int32{}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { caught.Add(1); _, _ = w.Write([]byte("secret")) }))
	_ = server.Listener.Close()
	server.Listener = counting{listener, caught}
	server.Start()
	t.Cleanup(server.Close)
	_, port, _ = net.SplitHostPort(listener.Addr().String())
	return port, caught
}

// counting is a listener that counts its connections. It embeds the listener.
type counting struct {
	net.Listener
	caught *atomic.Int32
}

func (c counting) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	if err == nil {
		c.caught.Add(1)
	}
	return conn, err
}

func TestClosedNetworksAreNotReached(t *testing.T) {
	port, caught := trap(t)
	loopback := nameserver(t, func(string) netip.Addr { return netip.MustParseAddr("127.0.0.1") })
	if len(spellings) < 60 {
		t.Fatalf("only %d spellings", len(spellings))
	}
	for name, s := range map[string]*Store{"a lying name server": through(t, loopback), "the system's": newStore(t, storeconfig.Bucket{Hosts: []string{"*", "*:" + port, "*:22"}})} {
		s.hosts = append(s.hosts, "*:"+port)
		for _, text := range spellings {
			text = strings.ReplaceAll(text, "PORT", port)
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			info, err := s.Head(ctx, at(text))
			cancel()
			if err == nil {
				t.Errorf("%s: the store read %q: %+v", name, text, info)
			}
		}
	}
	if n := caught.Load(); n > 0 {
		t.Errorf("%d connections reached closed addresses", n)
	}
	allowed := newStore(t, storeconfig.Bucket{Hosts: []string{"127.0.0.1:" + port}, Allow: []string{"127.0.0.1"}})
	if _, err := allowed.Head(t.Context(), at("http://127.0.0.1:"+port+"/")); err != nil || caught.Load() == 0 {
		t.Errorf("the trap counts no connection: %v", err)
	}
}

// A name first resolves to an open address, like a public one, and then to a closed one. The store
// checks the address of each connection.
func TestRebinding(t *testing.T) {
	port, caught := trap(t)
	for _, target := range []string{"127.0.0.1", "169.254.169.254", "10.1.2.3", "::1", "fd00:ec2::254", "64:ff9b::7f00:1", "::ffff:127.0.0.1"} {
		var bound atomic.Pointer[netip.Addr]
		bind := func(text string) { a := netip.MustParseAddr(text); bound.Store(&a) }
		bind("127.0.0.9")
		s := through(t, nameserver(t, func(string) netip.Addr { return *bound.Load() }))
		guard, err := newGuard([]string{"127.0.0.9"})
		if err != nil {
			t.Fatal(err)
		}
		s.dialer.Control = guard.Safe
		s.hosts = append(s.hosts, "rebind.example:"+port)
		name := at("http://rebind.example:" + port + "/latest/meta-data")
		if _, err := s.Head(t.Context(), name); err != nil {
			t.Fatalf("before the rebinding: %v", err)
		}
		before := caught.Load()
		s.client.CloseIdleConnections()
		bind(target)
		for range 3 {
			if _, err := s.Head(t.Context(), name); !errors.Is(err, objectstore.ErrClosed) || !strings.Contains(err.Error(), strings.TrimPrefix(target, "::ffff:")) {
				t.Errorf("read %s after rebinding: %v", target, err) // the log names the address
			}
		}
		if n := caught.Load(); n > before {
			t.Errorf("%s got %d connections after rebinding", target, n-before)
		}
	}
}

func TestRedirectsAreGuardedToo(t *testing.T) {
	port, caught := trap(t)
	var to string
	s, base := site(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, http.StatusFound) })
	guard, err := newGuard([]string{base[len("http://") : len("http://")+len("127.0.0.1")]})
	if err != nil {
		t.Fatal(err)
	}
	s.dialer.Control = guard.Safe // 127.0.0.1 is open, other loopback addresses are closed
	s.hosts = append(s.hosts, "*", "*:"+port)
	for _, to = range []string{
		"http://127.0.0.2:" + port + "/", "http://[::1]:" + port + "/", "http://169.254.169.254/", "file:///etc/passwd", "gopher://127.0.0.1:" + port + "/",
		"http://user:pass@127.0.0.1:" + port + "/", "//127.0.0.3:" + port, "http://localhost.localdomain:" + port + "/",
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		if _, _, err := s.Open(ctx, at(base+"/a.jpg")); err == nil {
			t.Errorf("the store followed a redirect to %s", to)
		}
		cancel()
	}
	if n := caught.Load(); n > 0 {
		t.Errorf("%d connections reached closed addresses", n)
	}
	s.hosts = newHosts([]string{strings.TrimPrefix(base, "http://")}, "")
	to = fmt.Sprintf("http://127.0.0.1:%s/", port) // an open address, an unlisted host
	if _, err := s.Head(t.Context(), at(base+"/a.jpg")); !errors.Is(err, objectstore.ErrRefused) || errors.Is(err, objectstore.ErrClosed) {
		t.Errorf("a redirect to an unlisted host: %v", err)
	}
}
