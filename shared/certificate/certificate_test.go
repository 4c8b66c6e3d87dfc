package certificate

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/thumbmill/thumbmill/loadtest/fixtures/wire"
	"github.com/thumbmill/thumbmill/shared/settings"
)

// shown is the name in the certificate that a server shows a client, which trusts the given files.
func shown(t *testing.T, server, trust *tls.Config) (string, error) {
	t.Helper()
	near, far := net.Pipe()
	over := make(chan error, 1)
	go func() { over <- errors.Join(tls.Server(far, server).HandshakeContext(t.Context()), far.Close()) }()
	defer func() { _ = near.Close(); <-over }()
	trust = trust.Clone()
	trust.ServerName = "127.0.0.1"
	client := tls.Client(near, trust)
	if err := client.HandshakeContext(t.Context()); err != nil {
		return "", err
	}
	return client.ConnectionState().PeerCertificates[0].DNSNames[0], nil
}

func TestCertificatesAreReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		files := wire.Certificate(t, dir, "first.example")
		config, err := Reloading(files, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		trust := func() *tls.Config {
			trust, err := Trust(files.Certificate)
			if err != nil {
				t.Fatal(err)
			}
			return trust
		}
		shows := func(want string, trust *tls.Config) {
			t.Helper()
			if got, err := shown(t, config, trust); got != want || err != nil {
				t.Errorf("%q %v, want %s", got, err, want)
			}
		}
		first := trust()
		shows("first.example", first)
		time.Sleep(lookEvery)
		if err := os.WriteFile(files.Certificate, []byte("half a certificate"), 0o600); err != nil {
			t.Fatal(err)
		}
		shows("first.example", first)
		wire.Certificate(t, dir, "second.example")
		shows("first.example", first) // the files are not looked at again so soon
		time.Sleep(lookEvery)
		shows("second.example", trust())
		if got, err := shown(t, config, first); err == nil {
			t.Errorf("%s is signed by nobody who is trusted", got)
		}
	})
}

// An expired certificate is refused by name, the log says it once, and a renewed file ends it without a restart.
func TestACertificateExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, log := t.TempDir(), &bytes.Buffer{}
		files := wire.Certificate(t, dir, "old.example")
		config, err := Reloading(files, slog.New(slog.NewTextHandler(log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		trust, err := Trust(files.Certificate)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := shown(t, config, trust); err != nil || log.Len() > 0 {
			t.Errorf("%v, logged %q", err, log)
		}
		time.Sleep(2 * time.Hour)
		for range 3 {
			_, err := shown(t, config, trust)
			if invalid := (x509.CertificateInvalidError{}); !errors.As(err, &invalid) || invalid.Reason != x509.Expired {
				t.Errorf("an expired certificate: %v", err)
			}
			time.Sleep(lookEvery)
		}
		if n := strings.Count(log.String(), "serve an expired certificate"); n != 1 {
			t.Errorf("logged %d times: %q", n, log)
		}
		wire.Certificate(t, dir, "new.example")
		renewed, err := Trust(files.Certificate)
		if err != nil {
			t.Fatal(err)
		}
		if name, err := shown(t, config, renewed); name != "new.example" || err != nil {
			t.Errorf("after the renewal: %q, %v", name, err)
		}
	})
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
