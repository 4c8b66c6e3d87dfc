package drive

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/thumbmill/thumbmill/loadtest/tool/workload"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func short() workload.Workload {
	return workload.Workload{
		Phases: []workload.Phase{{Duration: 2 * time.Second, From: 100, To: 100}}, Originals: 10, Clients: 3, Seed: 1,
		Types: []workload.Weighted[string]{{Value: "jpg", Share: 1}}, Widths: workload.WikimediaWidths(),
	}
}

func config(url string) Config {
	return Config{Template: url + "/{width}x/{original}", Name: "photo{n}.{type}", Timeout: 10 * time.Second, Most: 1000, BytesPerSecond: 1000, Progress: func(Second) {}}
}

func sum(r *Record) (n int) {
	for _, count := range r.Outcomes {
		n += count
	}
	return n
}

// A server that stalls for a second delays all requests that become due meanwhile. A generator that
// waits for answers would see only one slow request.
func TestAStallCountsForAllWhoWouldHaveAsked(t *testing.T) {
	var until atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		until.CompareAndSwap(0, time.Now().Add(1500*time.Millisecond).UnixNano())
		if begun := time.Until(time.Unix(0, until.Load())); begun < time.Second {
			time.Sleep(begun) // the measured stall
		}
		_, _ = w.Write([]byte("picture"))
	}))
	defer server.Close()
	record, err := Run(t.Context(), config(server.URL), short())
	if err != nil {
		t.Fatal(err)
	}
	if n := sum(record); n < 130 || n > 280 || record.Outcomes["200"] != n {
		t.Errorf("%v", record.Outcomes)
	}
	if p90 := record.Latency["all"]["p90"]; p90 < 300 {
		t.Errorf("p90 is %v ms, but the server stalled for half of the time", p90)
	}
	if record.Bytes != int64(7*record.Outcomes["200"]) || len(record.Seconds) < 2 {
		t.Errorf("%d bytes, %d seconds", record.Bytes, len(record.Seconds))
	}
}

func TestOutcomesAreNamed(t *testing.T) {
	var n atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch n.Add(1) % 6 {
		case 0:
			w.Header().Set("Thumbmill-Throttle", "per-ip")
			w.WriteHeader(http.StatusTooManyRequests)
		case 1:
			http.NotFound(w, r)
		case 2:
			_, _ = w.Write([]byte("the first half"))
			_ = http.NewResponseController(w).Flush() // the client would send a request without any answer again
			panic(http.ErrAbortHandler)
		case 3:
			<-r.Context().Done()
		case 4:
			w.Header().Set("Xkey", "File:a.jpg")
			w.Header().Set("Server-Timing", "lookup;dur=1.0, admit;dur=2.0, total;dur=9.0")
		case 5:
			w.Header().Set("Xkey", "File:a.jpg")
		}
	}))
	defer server.Close()
	c := config(server.URL)
	c.Timeout = 300 * time.Millisecond
	record, err := Run(t.Context(), c, short())
	if err != nil {
		t.Fatal(err)
	}
	for _, outcome := range []string{"429 per-ip", "404", "error: connection lost", "error: timeout", "200 rendered", "200 stored"} {
		if record.Outcomes[outcome] == 0 {
			t.Errorf("no %q in %v", outcome, record.Outcomes)
		}
	}
	inParts, inSeconds := 0, 0
	for _, p := range record.Parts {
		inParts += p.Outcomes["200 stored"]
	}
	for _, s := range record.Seconds {
		if s.Kinds[Rendered][1] > 0 && s.Kinds[Stored][1] > 0 && s.Kinds[Picture][1] == 0 {
			inSeconds++
		}
	}
	if inParts != record.Outcomes["200 stored"] || inSeconds == 0 || len(record.Curve["404"]) != len(CurvePercents()) {
		t.Errorf("%d in parts, %d seconds with kinds, %v", inParts, inSeconds, record.Curve)
	}
}

// Requests above the bound are counted, and an interrupt ends the run with its results so far.
func TestBoundsAndInterrupts(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer server.Close()
	c := config(server.URL)
	c.Most = 5
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	record, err := Run(ctx, c, short())
	if err != nil || record.Outcomes[NotSent] < 20 || sum(record)-record.Outcomes[NotSent] != 5 {
		t.Errorf("%v %v", record, err)
	}
	c.Template = "nonsense"
	if _, err := Run(t.Context(), c, short()); err == nil {
		t.Error("a URL without {original} gives no error")
	}
}
