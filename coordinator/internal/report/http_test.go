package report

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/thumbmill/thumbmill/shared/throttle"
)

func TestPoolsWanted(t *testing.T) {
	for query, want := range map[string]int64{
		"": defaultPools, "?pools=0": 0, "?pools=7": 7, "?pools=10000": maxPools, "?pools=-1": -1, "?pools=10001": -1, "?pools=many": -1,
	} {
		for _, path := range []string{"/api/v1/throttles", "/api/v1/throttles/stream"} {
			synctest.Test(t, func(t *testing.T) {
				s := &sources{}
				s.most.Store(-1)
				ctx, cancel := context.WithCancel(t.Context())
				answer, ended := open(ctx, s.reporter(), path+query)
				synctest.Wait()
				cancel()
				<-ended
				if refused := answer.status == http.StatusBadRequest; refused != (want < 0) || s.most.Load() != want {
					t.Errorf("%s%s: status %d, %d pools, want %d", path, query, answer.status, s.most.Load(), want)
				}
			})
		}
	}
}

func TestAnswers(t *testing.T) {
	r := (&sources{}).reporter()
	for path, key := range map[string]string{"/api/v1/throttles": "busiest", "/api/v1/throttles/history": "step"} {
		w := httptest.NewRecorder()
		r.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		var answer map[string]any
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || answer[key] == nil || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %v %v %s", path, err, w.Header(), w.Body)
		}
	}
}

// The table has every throttle; the requests are of one client or one original.
func TestTableAndRequests(t *testing.T) {
	get := func(path string) (int, []map[string]any) {
		w := httptest.NewRecorder()
		(&sources{}).reporter().Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		var answer []map[string]any
		_ = json.Unmarshal(w.Body.Bytes(), &answer)
		return w.Code, answer
	}
	_, table := get("/api/v1/throttles/table")
	if len(table) != len(throttle.All()) || table[0]["name"] != "per-ip" || table[0]["setting"] != "throttle.per_ip" || table[0]["outcome"] != "throttled" || table[0]["of_client"] != true {
		t.Errorf("%v", table)
	}
	for _, row := range table {
		if row["meaning"] == "" || row["remedy"] == "" {
			t.Errorf("%v says nothing", row)
		}
	}
	if _, of := get("/api/v1/throttles/requests?client=a+b"); len(of) != 1 || of[0]["client"] != "a b" {
		t.Errorf("%v", of)
	}
	if _, of := get("/api/v1/throttles/requests?original=c"); len(of) != 1 || of[0]["original"] != "c" {
		t.Errorf("%v", of)
	}
	for _, query := range []string{"", "?client=a&original=b"} {
		if status, _ := get("/api/v1/throttles/requests" + query); status != http.StatusBadRequest {
			t.Errorf("%q: %d", query, status)
		}
	}
}

// stream is a client that keeps the text that it reads.
type stream struct {
	mu     sync.Mutex
	header http.Header
	status int
	text   strings.Builder
	gone   bool // writes fail
}

func (s *stream) Header() http.Header { return s.header }
func (s *stream) Flush()              {}

func (s *stream) WriteHeader(status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status = status
}

func (s *stream) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone {
		return 0, errors.New("the connection is gone")
	}
	return s.text.Write(p)
}

func (s *stream) events() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Count(s.text.String(), "event: throttles\ndata: {")
}

func (s *stream) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gone = true
}

const streamPath = "/api/v1/throttles/stream"

// open requests a path; it closes ended at the end of the answer.
func open(ctx context.Context, r *Reporter, path string) (s *stream, ended chan struct{}) {
	s, ended = &stream{header: http.Header{}}, make(chan struct{})
	go func() {
		defer close(ended)
		r.Handler().ServeHTTP(s, httptest.NewRequest(http.MethodGet, path, nil).WithContext(ctx))
	}()
	return s, ended
}

func TestTheStreamSendsAReportASecond(t *testing.T) {
	for name, end := range map[string]func(r *Reporter, s *stream, cancel func()){
		"until the client cancels":       func(_ *Reporter, _ *stream, cancel func()) { cancel() },
		"until the reporter stops":       func(r *Reporter, _ *stream, _ func()) { _ = r.Stop(context.Background()) },
		"until the client does not read": func(_ *Reporter, s *stream, _ func()) { s.leave() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				r := (&sources{}).reporter()
				s, ended := open(ctx, r, streamPath)
				for want := 1; want <= 3; want++ {
					synctest.Wait()
					if got := s.events(); got != want || s.header.Get("Content-Type") != "text/event-stream" {
						t.Errorf("%d events after %d seconds, %v", got, want-1, s.header)
					}
					time.Sleep(streamInterval)
				}
				synctest.Wait()
				end(r, s, cancel)
				<-ended
			})
		})
	}
}

func TestStreamsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := (&sources{}).reporter()
		ctx, cancel := context.WithCancel(t.Context())
		var all []chan struct{}
		for range maxStreams {
			_, ended := open(ctx, r, streamPath)
			all = append(all, ended)
		}
		synctest.Wait()
		more, ended := open(t.Context(), r, streamPath)
		<-ended
		if more.status != http.StatusServiceUnavailable {
			t.Errorf("the stream above the bound: %d", more.status)
		}
		cancel()
		for _, ended := range all {
			<-ended
		}
		ctx, cancel = context.WithCancel(t.Context())
		again, ended := open(ctx, r, streamPath)
		synctest.Wait()
		cancel()
		<-ended
		if again.events() != 1 {
			t.Errorf("after others have ended: status %d, %d events", again.status, again.events())
		}
	})
}
