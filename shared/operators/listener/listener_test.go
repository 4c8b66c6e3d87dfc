package listener

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/thumbmill/thumbmill/loadtest/fixtures/console"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/wire"
	"github.com/thumbmill/thumbmill/shared/certificate"
	"github.com/thumbmill/thumbmill/shared/service/readiness"
	"github.com/thumbmill/thumbmill/shared/settings"
)

// With a certificate the listener serves nothing without TLS.
func TestOperatorsByTLS(t *testing.T) {
	files := wire.Certificate(t, t.TempDir(), "*.example")
	s := settings.Admin{Listen: "127.0.0.1:0", TokenFile: console.TokenFile(t), TLS: files}
	admin, err := New(s, readiness.New(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := admin.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = admin.Stop(context.Background()) }()
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
	if admin, err := New(s, readiness.New(), slog.New(slog.DiscardHandler)); err == nil || admin != nil {
		t.Errorf("without its key: %v", err)
	}
}

// New returns an error for an address in use.
func TestOperatorsListenerTaken(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	if _, err := New(settings.Admin{Listen: taken.Addr().String(), TokenFile: console.TokenFile(t)}, readiness.New(), slog.New(slog.DiscardHandler)); err == nil {
		t.Error("the listener was bound to an address in use")
	}
}

// One connection too many waits until another one ends.
func TestConnectionsAreBounded(t *testing.T) {
	l, err := New(settings.Admin{Listen: "127.0.0.1:0", TokenFile: console.TokenFile(t)}, readiness.New(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Stop(context.Background()) }()
	open := make([]net.Conn, maxConnections+1)
	for i := range open {
		if open[i], err = net.Dial("tcp", l.Addr()); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = open[i].Close() }()
	}
	last := open[maxConnections]
	if _, err := io.WriteString(last, "GET /healthz HTTP/1.0\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	_ = last.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	if n, err := last.Read(make([]byte, 1)); n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("one connection too many: %d bytes, %v", n, err)
	}
	_ = open[0].Close()
	_ = last.SetReadDeadline(time.Time{})
	if text, err := io.ReadAll(last); !strings.Contains(string(text), "alive") {
		t.Errorf("after another connection ended: %q, %v", text, err)
	}
}

// An unknown path belongs to a role that has not started, or to another role.
func TestPathsOfARoleThatHasNotStarted(t *testing.T) {
	ready := readiness.New()
	ready.Expect("edge")
	l, err := New(settings.Admin{Listen: "127.0.0.1:0", TokenFile: console.TokenFile(t)}, ready, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Stop(context.Background()) }()
	asked := func(path string, status int, says string) {
		t.Helper()
		response, err := http.Get(l.URL() + path)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = response.Body.Close() }()
		text, err := io.ReadAll(response.Body)
		if err != nil || response.StatusCode != status || !strings.Contains(string(text), says) {
			t.Errorf("%s: %d %q %v, want %d %q", path, response.StatusCode, text, err, status, says)
		}
	}
	asked("/readyz", http.StatusServiceUnavailable, "edge: starting")
	asked("/api/v1/failing", http.StatusServiceUnavailable, "edge: starting")
	asked("/healthz", http.StatusOK, "alive")
	l.Handle("/api/v1/failing", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "bad.jpg") }))
	asked("/api/v1/failing", http.StatusOK, "bad.jpg")
	ready.Started("edge", nil)
	asked("/readyz", http.StatusOK, "ready")
	asked("/api/v1/throttles", http.StatusNotFound, "404 page not found")
}
