package refusals

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A flood is a line a minute for each cause. Each line names the client and the remedy.
func TestAFloodIsALineAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		l := New(slog.New(slog.NewTextHandler(&out, nil)))
		for range 120 {
			for range 50 {
				l.Note(Refusal{Cause: "per-ip", Client: "203.0.113.66", Path: "/unsafe/1x/a.jpg", Remedy: "raise throttle.per_ip", Error: errors.New("too many")})
			}
			l.Note(Refusal{Cause: "forbidden", Remedy: "add it to hosts"})
			time.Sleep(time.Second)
		}
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		if len(lines) != 4 {
			t.Fatalf("%d lines", len(lines))
		}
		for _, want := range []string{"cause=per-ip", "client=203.0.113.66", "/unsafe/1x/a.jpg", "throttle.per_ip", "others_since_last_line=2999"} {
			if !strings.Contains(lines[2], want) {
				t.Errorf("%s does not say %s", lines[2], want)
			}
		}
	})
}
