package certificate

import (
	"crypto/tls"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/thumbmill/thumbmill/loadtest/fixtures/wire"
	"github.com/thumbmill/thumbmill/shared/settings"
)

// name is that of the certificate which a server shows.
func name(t *testing.T, address string, trust *tls.Config) (string, error) {
	t.Helper()
	conn, err := tls.Dial("tcp", address, trust)
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close() }()
	return conn.ConnectionState().PeerCertificates[0].DNSNames[0], nil
}

func TestCertificatesAreReadAgain(t *testing.T) {
	dir := t.TempDir()
	files := wire.Certificate(t, dir, "first.example")
	config, err := Reloading(files, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{ReadHeaderTimeout: time.Minute, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)}
	over := make(chan error)
	go func() { over <- server.Serve(listener) }()
	defer func() { _ = server.Close(); <-over }()
	address := listener.Addr().String()
	first, err := Trust(files.Certificate)
	if err != nil {
		t.Fatal(err)
	}
	shows := func(want string, trust *tls.Config) {
		t.Helper()
		if got, err := name(t, address, trust); got != want || err != nil {
			t.Errorf("%q %v, want %s", got, err, want)
		}
	}
	shows("first.example", first)
	time.Sleep(lookEvery)
	if err := os.WriteFile(files.Certificate, []byte("half a certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	shows("first.example", first)
	wire.Certificate(t, dir, "second.example")
	second, err := Trust(files.Certificate)
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(lookEvery)
	shows("second.example", second)
	if got, err := name(t, address, first); err == nil {
		t.Errorf("%s is signed by nobody who is trusted", got)
	}
}

func TestFilesThatAreNone(t *testing.T) {
	if _, err := Reloading(settings.ServerTLS{Certificate: "/nowhere", Key: "/nowhere"}, nil); err == nil {
		t.Error("files that are not there")
	}
	if config, err := Trust(""); config != nil || err != nil {
		t.Error(config, err)
	}
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Trust(empty); err == nil {
		t.Error("a file without a certificate is trusted")
	}
}
