package gate

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/thumbmill/thumbmill/loadtest/fixtures/eventually"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/wire"
	"github.com/thumbmill/thumbmill/shared/certificate"
	"github.com/thumbmill/thumbmill/shared/lease"
)

const patience = 10 * time.Second

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// named is a protocol that sends its name and then the bytes that it reads.
type named string

func (n named) Serve(conn net.Conn, in *bufio.Reader, ended func()) {
	defer ended()
	_, _ = io.WriteString(conn, string(n))
	_, _ = io.Copy(conn, in)
}

func start(t *testing.T, most int) (*Gate, string) {
	t.Helper()
	return startWith(t, most, Config{Networks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
}

func startWith(t *testing.T, most int, c Config) (*Gate, string) {
	t.Helper()
	c.Listen, c.Classic, c.Native, c.Log = []string{"127.0.0.1:0"}, named("classic "), named("native "), slog.New(slog.DiscardHandler)
	g, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	g.most = most
	if err := g.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return g, g.Addrs()[0]
}

func dial(t *testing.T, address string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	return conn
}

// The right protocol gets the whole first line, in any pieces. PoolCounter's gets it as soon as the
// line cannot be a greeting.
func TestFirstBytes(t *testing.T) {
	for name, c := range map[string]struct {
		pieces []string
		want   string
	}{
		"a command":            {[]string{"RELEASE\n"}, "classic RELEASE\n"},
		"an empty line":        {[]string{"\n"}, "classic \n"},
		"a greeting":           {[]string{"THUMBMILL/1 edge"}, "native THUMBMILL/1 edge"},
		"a greeting in pieces": {[]string{"T", "HUMB", "MILL/1", " ", "edge"}, "native THUMBMILL/1 edge"},
		"a later version":      {[]string{"THUMBMILL/2 edge"}, "classic THUMBMILL/2 edge"},
		"the same beginning":   {[]string{"THUMB", "S"}, "classic THUMBS"},
	} {
		t.Run(name, func(t *testing.T) {
			g, _ := start(t, MaxConnections)
			near, far := net.Pipe() // a pipe keeps the pieces apart
			defer func() { _ = near.Close() }()
			if !g.admit(local{far}) {
				t.Fatal("the connection was refused")
			}
			go func() {
				for _, piece := range c.pieces {
					_, _ = io.WriteString(near, piece)
				}
			}()
			got := make([]byte, len(c.want))
			_ = near.SetDeadline(time.Now().Add(patience))
			if _, err := io.ReadFull(near, got); err != nil || string(got) != c.want {
				t.Errorf("%q: %q %v, want %q", c.pieces, got, err, c.want)
			}
		})
	}
}

// local is a connection whose address is a unix socket. It embeds a net.Conn to implement the
// interface.
type local struct{ net.Conn }

func (local) RemoteAddr() net.Addr { return &net.UnixAddr{Net: "unix"} }

// says sends a text and returns the answer; "" if the connection ends.
func says(t *testing.T, conn net.Conn, text string) string {
	t.Helper()
	if _, err := io.WriteString(conn, text); err != nil {
		return ""
	}
	got := make([]byte, 100)
	n, _ := conn.Read(got)
	return string(got[:n])
}

// Each protocol is allowed in its place: PoolCounter's in its networks, the native protocol encrypted
// if there is a certificate.
func TestWhoIsLetIn(t *testing.T) {
	files := wire.Certificate(t, t.TempDir(), "coordinator.example")
	secured, err := certificate.Reloading(files, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	trust, err := certificate.Trust(files.Certificate)
	if err != nil {
		t.Fatal(err)
	}
	trust.ServerName = "coordinator.example"
	local := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	for name, c := range map[string]struct {
		config                     Config
		classic, native, encrypted string
	}{
		"open":                  {Config{Networks: local}, "classic ", "native ", ""},
		"classic for no client": {Config{Networks: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}, "", "native ", ""},
		"encrypted":             {Config{Networks: local, TLS: secured}, "classic ", "", "native "},
		"encrypted alone":       {Config{TLS: secured}, "", "", "native "},
	} {
		_, address := startWith(t, MaxConnections, c.config)
		if got := says(t, dial(t, address), "RELEASE\n"); !strings.HasPrefix(got, c.classic) || (got == "") != (c.classic == "") {
			t.Errorf("%s: a command is answered by %q", name, got)
		}
		if got := says(t, dial(t, address), lease.Greeting+" edge\n"); !strings.HasPrefix(got, c.native) || (got == "") != (c.native == "") {
			t.Errorf("%s: a greeting is answered by %q", name, got)
		}
		if got := says(t, tls.Client(dial(t, address), trust), lease.Greeting+" edge\n"); !strings.HasPrefix(got, c.encrypted) || (got == "") != (c.encrypted == "") {
			t.Errorf("%s: an encrypted greeting is answered by %q", name, got)
		}
		_ = dial(t, address).Close() // sends nothing
		conn := dial(t, address)     // no handshake
		if got := says(t, conn, "\x16nonsense that is long enough for a record"); strings.Contains(got, "native") {
			t.Errorf("%s: nonsense is answered by %q", name, got)
		}
		_ = conn.Close()
	}
}

// The gate counts connections until their end, bounds their number, and ends them when it closes,
// silent ones too.
func TestConnections(t *testing.T) {
	g, address := start(t, 3)
	var conns []net.Conn
	for range 3 {
		conns = append(conns, dial(t, address))
	}
	eventually.Holds(t, patience, "the gate counts three connections", func() bool { return g.Connections() == 3 })
	if _, err := dial(t, address).Read(make([]byte, 1)); err == nil || g.Refused() != 1 {
		t.Errorf("the fourth connection: %v, %d refused", err, g.Refused())
	}
	_ = conns[0].Close()
	eventually.Holds(t, patience, "the gate does not count the ended connection", func() bool { return g.Connections() == 2 })
}
