package fleet

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/thumbmill/thumbmill/deploy/samples"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/servers"
	costs "github.com/thumbmill/thumbmill/loadtest/tool/fleet"
	"github.com/thumbmill/thumbmill/renderer"
	"github.com/thumbmill/thumbmill/shared/objectstore/open"
	"github.com/thumbmill/thumbmill/shared/periodic"
	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/settings/value"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// variable has the order of a process of renderers; a process without it runs tests.
const variable = "THUMBMILL_FLEET_RENDERERS"

// slow is the factor of the recorded times: 32 renderers must not need more than the machine has for the other roles.
const slow = 10

// order is the order of a process of renderers.
type order struct {
	NATS, Dir        string
	Renderers, Slots int
}

func TestMain(m *testing.M) {
	if text := os.Getenv(variable); text != "" {
		if err := serve(text); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// startRenderers starts a process of renderers, which ends with the returned function.
func startRenderers(t testing.TB, o order) (pid int, end func()) {
	t.Helper()
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env, cmd.Stderr = append(os.Environ(), variable+"="+string(text)), os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	ended, err := servers.Launch(cmd)
	if err != nil {
		t.Fatal(err)
	}
	return cmd.Process.Pid, func() { _ = in.Close(); <-ended }
}

// serve runs renderers until the standard input ends.
func serve(text string) error {
	var o order
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		return err
	}
	s := settings.Default()
	s.NATS.URL = value.URLs(o.NATS)
	s.Store.Originals.Path, s.Store.Thumbnails.Path = filepath.Join(o.Dir, "originals"), filepath.Join(o.Dir, "thumbnails")
	s.Renderer.Slots, s.Renderer.TempDir = o.Slots, o.Dir
	stores, err := open.New(s)
	if err != nil {
		return err
	}
	defer func() { _ = stores.Close() }()
	for range o.Renderers {
		r, err := renderer.New(renderer.Config{
			Settings: s, Stores: stores, Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})),
			Metrics: prometheus.NewRegistry(), Render: sleeping(),
		})
		if err == nil {
			err = r.Start(context.Background())
		}
		if err != nil {
			return err
		}
		defer func() { _ = r.Stop(context.Background()) }()
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// sleeping returns a render that sleeps for a recorded time.
func sleeping() func(context.Context, thumbnail.Spec) ([]byte, error) {
	picture, failed := samples.JPEG(samples.Landscape(320, 240))
	var mu sync.Mutex
	random := rand.New(rand.NewPCG(1, 2))
	return func(ctx context.Context, _ thumbnail.Spec) ([]byte, error) {
		mu.Lock()
		took := slow * costs.Time(random)
		mu.Unlock()
		// The sleep stands for a worker's work.
		if err := periodic.Sleep(ctx, time.Duration(took*float64(time.Second))); err != nil {
			return nil, err
		}
		return picture, failed
	}
}
