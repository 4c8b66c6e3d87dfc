package rolecommand

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/thumbmill/thumbmill/loadtest/fixtures/wire"
	"github.com/thumbmill/thumbmill/shared/operators/listener"
	"github.com/thumbmill/thumbmill/shared/service/readiness"
	"github.com/thumbmill/thumbmill/shared/settings"
)

// A role's check of its own health accepts its own listener with any name in the certificate, and no
// other listener.
func TestReadyOverTLS(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("the token of this test\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := settings.Admin{Listen: "127.0.0.1:0", TokenFile: file, TLS: wire.Certificate(t, t.TempDir(), "*.example")}
	ready := readiness.New()
	l, err := listener.New(s, ready, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Stop(context.Background()) }()
	s.Listen = l.Addr()
	ready.Expect("edge")
	if _, err := askReady(t.Context(), s); err == nil || err.Error() != "not ready: edge: starting" {
		t.Errorf("at the start: %v", err)
	}
	ready.Started("edge", nil)
	if answer, err := askReady(t.Context(), s); err != nil || answer != "ready" {
		t.Errorf("%q %v", answer, err)
	}
	s.TLS = wire.Certificate(t, t.TempDir(), "*.example")
	if answer, err := askReady(t.Context(), s); err == nil {
		t.Errorf("another listener's certificate was accepted: %q", answer)
	}
}
