package fault

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

func TestEveryKindHasTraits(t *testing.T) {
	for kind, tr := range traits {
		if tr.Status < 400 || tr.Status > 599 {
			t.Errorf("%s: status %d is no error", kind, tr.Status)
		}
		if tr.Remember != ScopeNone && tr.Status == 503 {
			t.Errorf("%s: blames the original for a fault of thumbmill", kind)
		}
	}
	if Kind("from-the-future").Traits() != traits[Internal] {
		t.Error("an unknown kind must be treated as internal")
	}
}

// An original that is damaged, too large or too slow is no failure of the servers, so the status is 4xx.
func TestFaultsOfOriginalsAreNot5xx(t *testing.T) {
	for _, kind := range []Kind{Undecodable, TooLarge, Overran, Unsupported} {
		if status := kind.Traits().Status; status/100 != 4 {
			t.Errorf("%s: status %d", kind, status)
		}
	}
}

func TestFaultSurvivesTheWire(t *testing.T) {
	sent := New(Throttled, "per-ip refused")
	sent.Throttle, sent.RetryAfterSeconds = "per-ip", 7
	wire, err := json.Marshal(sent)
	if err != nil {
		t.Fatal(err)
	}
	var got Fault
	if err := json.Unmarshal(wire, &got); err != nil {
		t.Fatal(err)
	}
	if got != *sent {
		t.Errorf("got %+v, sent %+v", got, *sent)
	}
}

func TestOfHidesForeignErrors(t *testing.T) {
	f := Of(fmt.Errorf("open /srv/secret: %w", io.ErrUnexpectedEOF))
	if f.Kind != Internal || strings.Contains(f.Message, "/srv/secret") {
		t.Errorf("the client would see %q", f.Message)
	}
	if !errors.Is(f, io.ErrUnexpectedEOF) {
		t.Error("the log loses the cause")
	}
	wrapped := fmt.Errorf("fetch: %w", New(Absent, "no such original"))
	if Of(wrapped).Kind != Absent || !Is(wrapped, Absent) {
		t.Error("a wrapped fault is not found")
	}
}
