package serve

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/thumbmill/thumbmill/loadtest/fixtures/readyz"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/servers"
	"github.com/thumbmill/thumbmill/shared/settings"
)

func TestMain(m *testing.M) {
	if code, asked := Worker(); asked {
		os.Exit(code)
	}
	os.Exit(m.Run())
}

// The cluster reports that it is ready only when its edge answers. Until then it says what it waits
// for.
func TestReadyFromTheFirstConnectionOn(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	s := settings.Default()
	s.Edge.Listen, s.Admin.Listen = servers.FreeAddress(t), servers.FreeAddress(t)
	s.Coordinator.Listen, s.NATS.Listen = []string{"127.0.0.1:0"}, "127.0.0.1:0"
	s.Store.Originals.Path, s.Store.Thumbnails.Path = t.TempDir(), filepath.Join(t.TempDir(), "t")
	s.Renderer.Slots = 1
	ended := make(chan error, 1)
	go func() { ended <- serve(s, false, false) }()
	var reasons []string
	readyz.Watch(t, "http://"+s.Admin.Listen, ended, func(text string) { reasons = append(reasons, text) })
	response, err := http.Get("http://" + s.Edge.Listen + "/healthcheck")
	if err != nil {
		t.Fatalf("the process is ready, but its edge does not answer: %v", err)
	}
	text, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if err != nil || response.StatusCode != http.StatusOK || string(text) != "WORKING" {
		t.Errorf("%s %q %v", response.Status, text, err)
	}
	for _, text := range reasons {
		if !strings.Contains(text, "edge: ") {
			t.Errorf("before the edge has started, /readyz says %q", text)
		}
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("stop: %v", err)
	}
}
