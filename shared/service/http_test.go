package service

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/thumbmill/thumbmill/loadtest/fixtures/wire"
	"github.com/thumbmill/thumbmill/shared/certificate"
	"github.com/thumbmill/thumbmill/shared/settings"
)

func tokenFile(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("a token of this test alone\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// With a certificate operators are asked for nothing in the clear, and a role's own check of
// health finds its listener whatever name is in it.
func TestOperatorsByTLS(t *testing.T) {
	files := wire.Certificate(t, t.TempDir(), "*.example")
	s := settings.Admin{Listen: "127.0.0.1:0", TokenFile: tokenFile(t), TLS: files}
	admin, err := NewAdmin(s, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := admin.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = admin.Stop(context.Background()) }()
	s.Listen = admin.Addr()
	if answer, err := askReady(t.Context(), s); err != nil || answer != "ready" {
		t.Errorf("%q %v", answer, err)
	}
	s.TLS = wire.Certificate(t, t.TempDir(), "*.example")
	if answer, err := askReady(t.Context(), s); err == nil {
		t.Errorf("another's certificate: %q", answer)
	}
	trust, err := certificate.Trust(files.Certificate)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{TLSClientConfig: trust}
	defer transport.CloseIdleConnections()
	for url, want := range map[string]int{admin.URL(): http.StatusOK, "http://" + admin.Addr(): http.StatusBadRequest} {
		response, err := (&http.Client{Transport: transport}).Get(url + "/healthz")
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("%s: %s", url, response.Status)
		}
	}
	s.TLS.Key = "absent"
	if admin, err := NewAdmin(s, slog.New(slog.DiscardHandler)); err == nil || admin != nil {
		t.Errorf("without its key: %v", err)
	}
}

// Who cannot listen says so.
func TestOperatorsListenerTaken(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	if _, err := NewAdmin(settings.Admin{Listen: taken.Addr().String(), TokenFile: tokenFile(t)}, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("it listens where another one does")
	}
}
