package faults

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/thumbmill/thumbmill/edge/thumborurl"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/eventually"
)

// load sends requests at random times, whether earlier ones are answered or not: some for new
// thumbnails, some for stored ones.
type load struct {
	t         *testing.T
	front     string
	perSecond float64
	client    *http.Client
	signer    thumborurl.Signer
	number    int      // number of requested thumbnails
	stored    []string // URLs of answered thumbnails
	mu        sync.Mutex
	answers   []answer
	fresh     []string // URLs of thumbnails that were rendered since begin
	stop      chan struct{}
	group     sync.WaitGroup
}

// answer is the result of a request.
type answer struct {
	due    time.Time
	took   time.Duration
	status int // 0: no answer
	what   string
	// rendered means that the thumbnail was not stored.
	rendered bool
}

func (a answer) failed() bool { return a.status != http.StatusOK }

const (
	missShare = .5
	patience  = 60 * time.Second // of clients
)

func newLoad(t *testing.T, s *site, perSecond float64) *load {
	l := &load{t: t, perSecond: perSecond, front: s.front, signer: thumborurl.Signer{Key: key}}
	l.client = &http.Client{Timeout: patience, Transport: &http.Transport{MaxIdleConnsPerHost: 100, DisableCompression: true}}
	t.Cleanup(l.client.CloseIdleConnections)
	return l
}

// begin sends requests until end.
func (l *load) begin() {
	l.answers, l.fresh, l.stop = nil, nil, make(chan struct{})
	l.group.Go(l.send)
}

func (l *load) send() {
	due := time.Now()
	for {
		due = due.Add(time.Duration(rand.ExpFloat64() / l.perSecond * float64(time.Second)))
		select {
		case <-l.stop:
			return
		case <-time.After(time.Until(due)):
		}
		url, fresh := l.next()
		client := fmt.Sprintf("10.1.%d.%d", rand.IntN(256), 1+rand.IntN(250))
		at := due
		l.group.Go(func() { l.note(l.ask(url, client, at), url, fresh) })
	}
}

// next returns the URL of the next request.
func (l *load) next() (url string, fresh bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.stored) > 0 && rand.Float64() > missShare {
		return l.stored[rand.IntN(len(l.stored))], false
	}
	l.number++
	size := thumborurl.Options{Image: original(l.number), Width: 20 + l.number%300, Height: 20 + l.number/300}
	return l.signer.URL(size), true
}

func (l *load) ask(url, client string, due time.Time) answer {
	a := answer{due: due}
	request, err := http.NewRequest(http.MethodGet, l.front+url, nil)
	if err != nil {
		a.what = err.Error()
		return a
	}
	request.Header.Set("X-Forwarded-For", client)
	response, err := l.client.Do(request)
	if err == nil {
		var body []byte
		body, err = io.ReadAll(response.Body)
		_ = response.Body.Close()
		a.status, a.what = response.StatusCode, strings.TrimSpace(string(body[:min(len(body), 300)]))
		a.rendered = strings.Contains(response.Header.Get("Server-Timing"), "admit;")
		if err == nil && a.status == http.StatusOK && !strings.HasPrefix(string(body), "\xff\xd8") {
			a.status, a.what = 0, "not a JPEG"
		}
	}
	if err != nil {
		a.status, a.what = 0, err.Error()
	}
	a.took = time.Since(due)
	return a
}

func (l *load) note(a answer, url string, fresh bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answers = append(l.answers, a)
	if fresh && !a.failed() {
		l.stored, l.fresh = append(l.stored, url), append(l.fresh, url)
	}
}

// end stops sending, and waits for all answers.
func (l *load) end() []answer {
	close(l.stop)
	l.group.Wait()
	slices.SortFunc(l.answers, func(a, b answer) int { return a.due.Compare(b.due) })
	return l.answers
}

// awaitAnswers waits until the answers of a load of so many seconds have arrived, for requests that
// are due after a time.
func (l *load) awaitAnswers(seconds float64, due time.Time) {
	l.t.Helper()
	n := int(seconds * l.perSecond)
	eventually.Succeeds(l.t, time.Until(due)+2*patience, fmt.Sprintf("%d requests are answered", n), func() error {
		l.mu.Lock()
		defer l.mu.Unlock()
		answered := 0
		for _, a := range l.answers {
			if a.due.After(due) {
				answered++
			}
		}
		if answered < n {
			return fmt.Errorf("%d are", answered)
		}
		return nil
	})
}

// lost returns the rendered thumbnails that are not stored.
func (l *load) lost() (all []string) {
	for _, url := range l.fresh {
		if a := l.ask(url, "10.3.0.1", time.Now()); a.failed() || a.rendered {
			all = append(all, fmt.Sprintf("%s: %d %s", url, a.status, a.what))
		}
	}
	return all
}

// outcome summarises the answers of a load.
type outcome struct {
	requests, failed int
	statuses         map[int]int
	length           time.Duration // from the first failed request to the last
	last             time.Time     // when the last failed request was due
	slowest          time.Duration
	examples         map[int]string
}

func judge(answers []answer) (o outcome) {
	o.statuses, o.examples = map[int]int{}, map[int]string{}
	var first time.Time
	for _, a := range answers {
		o.requests++
		o.slowest = max(o.slowest, a.took)
		if !a.failed() {
			continue
		}
		o.failed++
		o.statuses[a.status]++
		o.examples[a.status] = a.what
		if first.IsZero() {
			first = a.due
		}
		o.last = a.due
		o.length = a.due.Sub(first)
	}
	return o
}
