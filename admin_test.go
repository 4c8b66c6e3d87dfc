package main

import (
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/thumbmill/thumbmill/loadtest/fixtures/wire"
	"github.com/thumbmill/thumbmill/shared/service"
	"github.com/thumbmill/thumbmill/shared/settings"
)

// The tool asks by TLS whom it knows by its certificate, and nobody else.
func TestOperatorsToolByTLS(t *testing.T) {
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("a token of this test alone\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	files := wire.Certificate(t, t.TempDir(), "coordinator.example")
	listener, err := service.NewAdmin(settings.Admin{Listen: "127.0.0.1:0", TokenFile: token, TLS: files}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	listener.Handle("/acts", http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	if err := listener.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Stop(t.Context()) }()
	for ca, want := range map[string]bool{files.Certificate: true, "": false, wire.Certificate(t, t.TempDir(), "coordinator.example").Certificate: false, token: false} {
		a := admin{base: listener.URL(), token: token, ca: ca}
		body, err := a.ask(t.Context(), http.MethodPost, "/acts")
		if (err == nil) != want {
			t.Errorf("by %q: %v", ca, err)
		}
		if err == nil {
			_ = body.Close()
		}
	}
}
