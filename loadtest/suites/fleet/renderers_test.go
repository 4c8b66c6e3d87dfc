package fleet

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/thumbmill/thumbmill/loadtest/fixtures/sleepers"
)

// slow is the factor of the recorded times: 32 renderers must not need more than the machine has for the other roles.
const slow = 10

func TestMain(m *testing.M) {
	if sleepers.Asked() {
		os.Exit(sleepers.Main())
	}
	os.Exit(m.Run())
}

// startRenderers starts a process of renderers.
func (s *site) startRenderers(instances, slots int) *sleepers.Process {
	return sleepers.Start(s.t, sleepers.Order{Renderers: instances, Slow: slow, Settings: []string{
		"THUMBMILL_NATS_URL=" + s.queue.URL(), fmt.Sprint("THUMBMILL_RENDERER_SLOTS=", slots), "THUMBMILL_RENDERER_TEMP_DIR=" + s.dir,
		"THUMBMILL_STORE_ORIGINALS_PATH=" + filepath.Join(s.dir, "originals"), "THUMBMILL_STORE_THUMBNAILS_PATH=" + filepath.Join(s.dir, "thumbnails"),
	}})
}
