package lease

import (
	"bufio"
	"bytes"
	"errors"
	"net"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// read reads one frame from its bytes.
func read(t testing.TB, frame []byte) (Kind, string) {
	t.Helper()
	kind, body, err := ReadFrame(bufio.NewReaderSize(bytes.NewReader(frame), ReaderSize))
	if err != nil {
		t.Fatal(err)
	}
	return kind, body
}

func pools() *rapid.Generator[[]Pool] {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Pool {
		return Pool{
			Rule: rapid.IntRange(0, MaxRules).Draw(t, "rule"), Places: rapid.Uint32Range(1, 1<<31-1).Draw(t, "places"),
			Key: rapid.StringN(1, -1, MaxKey).Draw(t, "key"),
		}
	}), 0, MaxPools)
}

// A request is the same after writing and reading.
func TestRequestsSurvive(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		want := Request{
			ID: rapid.Uint64().Draw(rt, "id"), Wait: rapid.Uint64().Draw(rt, "wait"),
			Cost: rapid.Uint32Range(0, 1<<31-1).Draw(rt, "cost"), Client: rapid.StringN(0, -1, MaxKey).Draw(rt, "client"),
			Thumbnail: rapid.StringN(0, -1, MaxKey).Draw(rt, "thumbnail"), Pools: pools().Draw(rt, "pools"),
		}
		kind, body := read(t, AppendRequest(nil, KindClaim, want))
		got := Request{Pools: []Pool{}}
		if err := ParseRequest(body, &got); err != nil || kind != KindClaim || !reflect.DeepEqual(got, want) {
			rt.Fatalf("%c %+v %v, want %+v", kind, got, err, want)
		}
	})
}

// The report of a request that an edge refused by itself keeps its reason. It allows the reasons of edges alone.
func TestTurnedSurvives(t *testing.T) {
	want := Request{Client: "c", Thumbnail: "t", Pools: []Pool{{Rule: 0, Places: 2, Key: "ip:c"}}}
	for _, why := range []Reason{0, Full, TimedOut, Crowded} {
		var got Request
		kind, body := read(t, AppendTurned(nil, why, want))
		reason, err := ParseTurned(body, &got)
		if known := why == Full || why == TimedOut; kind != KindTurned || known != (err == nil) || known && (reason != why || !reflect.DeepEqual(got, want)) {
			t.Errorf("reason %d: %c %d %+v %v", why, kind, reason, got, err)
		}
	}
}

func TestSpentSurvives(t *testing.T) {
	kind, body := read(t, AppendSpent(nil, 1<<64-1, 3_600_000))
	if id, ms, err := ParseSpent(body); kind != KindSpent || id != 1<<64-1 || ms != 3_600_000 || err != nil {
		t.Errorf("%c %d %d %v", kind, id, ms, err)
	}
	for _, broken := range []string{"", "\x01", "\x01\x01x"} {
		if _, _, err := ParseSpent(broken); err == nil {
			t.Errorf("%q is no error", broken)
		}
	}
}

// Frames that may be lost do not take the room of the others when nobody reads.
func TestAnOutboxDropsOffers(t *testing.T) {
	near, far := net.Pipe()
	defer func() { _, _ = near.Close(), far.Close() }()
	o, offered := NewOutbox(near), 0
	for o.Offer(func(out []byte) []byte { offered++; return append(out, make([]byte, 1000)...) }) {
		if offered > 10_000 {
			t.Fatal("an outbox that nobody reads takes every offer")
		}
	}
	for range 1000 {
		o.Add(AppendBeat)
	}
	_ = far.SetReadDeadline(time.Now())
	if _, err := far.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) { // not io.EOF
		t.Errorf("the connection ended: %v", err)
	}
}

func TestAnswersSurvive(t *testing.T) {
	for _, want := range []Answer{
		{Kind: KindGranted, ID: 1<<64 - 1, Pool: -1, Shadow: 5},
		{Kind: KindDone, ID: 1},
		{Kind: KindFailed, ID: 2, Payload: `{"kind":"undecodable"}`},
		{Kind: KindRefused, ID: 3, Pool: -1, Reason: TimedOut},
		{Kind: KindRefused, ID: 3, Pool: 7, Reason: Full, Shadow: 1},
	} {
		kind, body := read(t, AppendAnswer(nil, want))
		if got, err := ParseAnswer(kind, body); err != nil || got != want {
			t.Errorf("%+v %v, want %+v", got, err, want)
		}
	}
}

func TestRulesAndReleasesSurvive(t *testing.T) {
	want := []Rule{{"ip", 4, 50, false}, {"lane:standard", 48, 900, true}}
	_, body := read(t, AppendRules(nil, want))
	if got, err := ParseRules(body); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v %v", got, err)
	}
	_, body = read(t, AppendRelease(nil, 9, Faulty, strings.Repeat("x", MaxPayload+1)))
	id, outcome, payload, err := ParseRelease(body)
	if id != 9 || outcome != Faulty || len(payload) != MaxPayload || err != nil {
		t.Errorf("%d %d %d bytes %v", id, outcome, len(payload), err)
	}
}

// A proof fails for another side, name or nonce, and with another secret.
func TestProofs(t *testing.T) {
	right := Prove("secret", "client", "edge-1", "a", "b")
	for _, wrong := range []string{
		Prove("Secret", "client", "edge-1", "a", "b"), Prove("secret", "coordinator", "edge-1", "a", "b"),
		Prove("secret", "client", "edge-2", "a", "b"), Prove("secret", "client", "edge-1", "b", "a"), Prove("", "client", "edge-1", "a", "b"), "",
	} {
		if Proves(wrong, right) {
			t.Errorf("the proof %s was accepted", wrong)
		}
	}
	if !Proves(Prove("secret", "client", "edge-1", "a", "b"), right) {
		t.Error("the right proof was refused")
	}
}

// Any bytes are parsed or refused; a parsed frame can be written again.
func FuzzFrames(f *testing.F) {
	f.Add(AppendRequest(nil, KindAcquire, Request{ID: 1, Client: "c", Thumbnail: "t", Pools: []Pool{{0, 1, "ip:c"}}}))
	f.Add(AppendRules(nil, []Rule{{"ip", 4, 50, true}}))
	f.Add(AppendRelease(nil, 1, Stored, "x"))
	f.Add(AppendAnswer(nil, Answer{Kind: KindRefused, ID: 1, Pool: 2, Reason: Full}))
	f.Add([]byte{255, 255, 255, 255, 'A'})
	f.Fuzz(func(t *testing.T, data []byte) {
		in := bufio.NewReaderSize(bytes.NewReader(data), ReaderSize)
		for {
			kind, body, err := ReadFrame(in)
			if err != nil {
				return
			}
			var r Request
			if ParseRequest(body, &r) == nil {
				_, again := read(t, AppendRequest(nil, kind, r))
				var same Request
				if err := ParseRequest(again, &same); err != nil || !reflect.DeepEqual(r, same) {
					t.Fatalf("%+v became %+v: %v", r, same, err)
				}
			}
			_, _ = ParseTurned(body, &r)
			_, _ = ParseRules(body)
			_, _, _, _ = ParseRelease(body)
			_, _ = ParseAnswer(kind, body)
		}
	})
}
