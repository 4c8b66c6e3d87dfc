package queue_test

import (
	"bytes"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/thumbmill/thumbmill/deploy/credentials"
	"github.com/thumbmill/thumbmill/shared/queue"
	"github.com/thumbmill/thumbmill/shared/queue/embedded"
	"github.com/thumbmill/thumbmill/shared/settings"
)

// A role that has credentials says so when the server would have taken it without.
func TestAServerThatAsksNobody(t *testing.T) {
	server, err := embedded.New("127.0.0.1:0", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = server.Stop(t.Context()) }()
	dir := t.TempDir()
	if err := credentials.Write(dir, credentials.Options{}); err != nil {
		t.Fatal(err)
	}
	for file, warns := range map[string]bool{filepath.Join(dir, "edge.creds"): true, "": false} {
		var log bytes.Buffer
		conn, err := queue.Connect(settings.NATS{URL: settings.URLs(server.URL()), Credentials: file}, "edge", "test", slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		conn.Close()
		if strings.Contains(log.String(), "asks nobody") != warns {
			t.Errorf("credentials %q: %s", file, &log)
		}
	}
}
