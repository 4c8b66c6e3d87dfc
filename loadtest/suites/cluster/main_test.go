package cluster

import (
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/thumbmill/thumbmill/renderer"
)

func TestMain(m *testing.M) {
	if renderer.WorkerAsked() {
		os.Exit(renderer.WorkerMain())
	}
	if what := os.Getenv(asAttacker); what != "" {
		attack(what)
		return
	}
	goleak.VerifyTestMain(m)
}
