package breaker

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/sony/gobreaker/v2"
)

func TestABreakerLogsThatItOpens(t *testing.T) {
	var out bytes.Buffer
	b := New[int](gobreaker.Settings{Name: "queue", ReadyToTrip: Consecutive(2)}, slog.New(slog.NewTextHandler(&out, nil)))
	fail := func() (int, error) { return 0, errors.New("no") }
	_, _ = b.Execute(fail)
	if b.State() != gobreaker.StateClosed || out.Len() > 0 {
		t.Errorf("after one failure: %v, %q", b.State(), out.String())
	}
	_, _ = b.Execute(fail)
	if b.State() != gobreaker.StateOpen || !strings.Contains(out.String(), "name=queue from=closed to=open") {
		t.Errorf("after two failures: %v, %q", b.State(), out.String())
	}
}
