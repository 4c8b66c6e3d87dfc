package bulk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/thumbmill/thumbmill/edge/internal/clientaddr"
	"github.com/thumbmill/thumbmill/edge/internal/grammar"
	"github.com/thumbmill/thumbmill/edge/internal/obtain"
	"github.com/thumbmill/thumbmill/edge/internal/target"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// plain is a grammar whose paths are the thumbnails' keys.
type plain struct{}

func (plain) Read(r *http.Request, _ grammar.Rights) (target.Target, string, error) {
	return target.Target{Key: thumbnail.Location{Path: r.RequestURI}}, "plain", nil
}

func (plain) FromSpec(text []byte) (target.Target, error) {
	return target.Target{Key: thumbnail.Location{Path: string(text)}}, nil
}

func (plain) Standard(original string, width int) string {
	return fmt.Sprintf("/%d/%s", width, original)
}

// obtainer returns its answers in turn, and then the last answer for ever.
type obtainer struct {
	mu      sync.Mutex
	answers []error
	asked   []obtain.Request
	takes   time.Duration // time of each answer
	running int
	most    int // calls at once
}

func (o *obtainer) Obtain(ctx context.Context, r obtain.Request) (obtain.Thumb, error) {
	o.mu.Lock()
	o.asked = append(o.asked, r)
	o.running++
	o.most = max(o.most, o.running)
	var answer error
	if r.Target.Odd != nil { // as of an original of another width
		answer = fault.New(fault.OddSize, "a test")
	}
	if len(o.answers) > 0 {
		answer = o.answers[min(len(o.asked), len(o.answers))-1]
	}
	o.mu.Unlock()
	defer func() { o.mu.Lock(); o.running--; o.mu.Unlock() }()
	if o.takes > 0 {
		select {
		case <-time.After(o.takes):
		case <-ctx.Done():
			return obtain.Thumb{}, ctx.Err()
		}
	}
	return obtain.Thumb{Source: obtain.Rendered}, answer
}

func (o *obtainer) renderer(atOnce int) *Renderer {
	return New(Config{Grammar: plain{}, Obtainer: o, Deadline: time.Minute, AtOnce: func() int { return atOnce }})
}

// items returns n different items.
func items(n int) (all []Item) {
	for i := range n {
		all = append(all, Item{Path: fmt.Sprintf("/%d", i)})
	}
	return all
}

// one renders one thumbnail, and returns its result and the time that it took.
func (o *obtainer) one(ctx context.Context) (got Result, took time.Duration) {
	began := time.Now()
	o.renderer(1).Render(ctx, items(1), false, func(r Result) { got = r })
	return got, time.Since(began)
}

// again returns an answer n times.
func again(n int, answer error) []error { return slices.Repeat([]error{answer}, n) }

func TestRetries(t *testing.T) {
	throttled := fault.New(fault.Throttled, "too many")
	throttled.RetryAfterSeconds = 3600
	for name, c := range map[string]struct {
		answers []error
		asked   int
		outcome string
		atMost  time.Duration // of all pauses
	}{
		"rendered at once":           {nil, 1, "rendered", 0},
		"refused once by a throttle": {[]error{fault.New(fault.Throttled, "too many"), nil}, 2, "rendered", 4 * time.Second},
		"a full lane, then no renderer, then no room": {
			[]error{fault.New(fault.LaneFull, ""), fault.New(fault.NoRenderer, ""), fault.New(fault.Unavailable, ""), nil}, 4, "rendered", 20 * time.Second,
		},
		"refused for an hour":               {append(again(3, throttled), nil), 4, "rendered", 3 * longestPause},
		"admitted at the last attempt":      {append(again(attempts-1, throttled), nil), attempts, "rendered", (attempts - 1) * longestPause},
		"refused at each attempt":           {again(1, throttled), attempts, "throttled", (attempts - 1) * longestPause},
		"a damaged original":                {again(1, fault.New(fault.Undecodable, "damaged")), 1, "undecodable", 0},
		"an original that failed too often": {again(1, fault.New(fault.Failing, "failed")), 1, "failing", 0},
		"a missing original":                {again(1, fault.New(fault.Absent, "absent")), 1, "absent", 0},
		"refused, then found damaged":       {[]error{throttled, fault.New(fault.Undecodable, "damaged")}, 2, "undecodable", longestPause},
		"an error that is not a fault":      {again(1, errors.New("defect")), 1, "internal", 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := &obtainer{answers: c.answers}
				got, took := o.one(t.Context())
				if len(o.asked) != c.asked || got.Outcome != c.outcome || got.OK() != (c.outcome == "rendered") {
					t.Errorf("asked %d times, want %d: %+v", len(o.asked), c.asked, got)
				}
				if took > c.atMost || took < c.atMost/2 || got.Seconds != took.Seconds() {
					t.Errorf("it took %v, want at most %v; the result says %v s", took, c.atMost, got.Seconds)
				}
			})
		})
	}
}

func TestRequestToTheObtainer(t *testing.T) {
	o := &obtainer{}
	var got Result
	o.renderer(1).Render(t.Context(), []Item{{Spec: json.RawMessage("spec")}}, true, func(r Result) { got = r })
	asked := o.asked[0]
	if !asked.Bulk || !asked.Renew || asked.Client != clientaddr.Nobody || asked.ID == "" || asked.Target.Key.Path != "spec" || got.Key != "spec" {
		t.Errorf("asked %+v, got %+v", asked, got)
	}
}

func TestAThumbnailThatIsNotReadyInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &obtainer{takes: time.Hour}
		got, took := o.one(t.Context())
		if got.Outcome != string(fault.Deadline) || took != time.Minute {
			t.Errorf("%+v after %v", got, took)
		}
	})
}

// A client that leaves ends its list: in a pause, in a render, and before the first item.
func TestAClientThatLeaves(t *testing.T) {
	for name, c := range map[string]struct {
		o              *obtainer
		after          time.Duration
		results, asked int
	}{
		"in a pause":  {&obtainer{answers: again(1, fault.New(fault.NoRenderer, ""))}, 3 * time.Second, 1, 1},
		"in a render": {&obtainer{takes: 30 * time.Second}, 3 * time.Second, 1, 1},
		"at once":     {&obtainer{}, 0, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, leave := context.WithCancel(t.Context())
				if c.after > 0 {
					time.AfterFunc(c.after, leave)
				} else {
					leave()
				}
				began := time.Now()
				var results []Result
				c.o.renderer(1).Render(ctx, items(3), false, func(r Result) { results = append(results, r) })
				if len(results) != c.results || len(c.o.asked) != c.asked || time.Since(began) != c.after {
					t.Errorf("asked %d times, and ended after %v with %+v", len(c.o.asked), time.Since(began), results)
				}
				for _, r := range results {
					if r.Outcome != string(fault.Unavailable) || !strings.Contains(r.Message, "left") {
						t.Errorf("%+v", r)
					}
				}
			})
		})
	}
}

func TestThumbnailsAtOnce(t *testing.T) {
	for _, c := range []struct{ allowed, want int }{{3, 3}, {1, 1}, {0, 1}, {20, 7}} {
		t.Run(fmt.Sprint(c.allowed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := &obtainer{takes: time.Second}
				var numbers []int
				o.renderer(c.allowed).Render(t.Context(), items(7), false, func(r Result) {
					numbers = append(numbers, r.Number)
					if r.Of != 7 {
						t.Errorf("%+v", r)
					}
				})
				if o.most != c.want || !slices.Equal(numbers, []int{1, 2, 3, 4, 5, 6, 7}) {
					t.Errorf("%d at once, want %d; results %v", o.most, c.want, numbers)
				}
			})
		})
	}
}

// closer is an open object of the store.
type closer struct {
	objectstore.Object // nil: the test calls only Close
	closed             bool
}

func (c *closer) Close() error { c.closed = true; return nil }

// Obtain returns a stored thumbnail whose object is c.
func (c *closer) Obtain(context.Context, obtain.Request) (obtain.Thumb, error) {
	return obtain.Thumb{Source: obtain.Hit, Object: c}, nil
}

func TestAStoredThumbnailIsClosed(t *testing.T) {
	c := &closer{}
	b := New(Config{Grammar: plain{}, Obtainer: c, Deadline: time.Minute, AtOnce: func() int { return 1 }})
	b.Render(t.Context(), items(1), false, func(r Result) {
		if r.Outcome != "hit" || !c.closed {
			t.Errorf("%+v, closed is %v", r, c.closed)
		}
	})
}

// The real grammars read the items.
func TestItems(t *testing.T) {
	s := settings.Default()
	s.Edge.SecurityKey, s.MediaWiki.SizePolicy, s.MediaWiki.Sizes = "key", "redirect", []int{320}
	g, err := grammar.New(s)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	b := New(Config{Grammar: g, Obtainer: &obtainer{}, Deadline: time.Minute, AtOnce: func() int { return 1 }})
	for name, c := range map[string]struct {
		item    Item
		outcome string
	}{
		"an unsigned path of Thumbor's": {Item{Path: "/unsafe/330x/a.jpg"}, "rendered"},
		"a path of MediaWiki's":         {Item{Path: "/wikipedia/commons/thumb/a/ab/A.jpg/320px-A.jpg"}, "rendered"},
		"a spec":                        {Item{Spec: json.RawMessage(`{"original":{"path":"a.jpg"},"width":330}`)}, "rendered"},
		"an unreadable spec":            {Item{Spec: json.RawMessage(`[]`)}, "bad-url"},
		"a path without a slash":        {Item{Path: "a.jpg"}, "bad-url"},
		"an empty item":                 {Item{}, "bad-url"},
		"a path of no grammar":          {Item{Path: "/nothing"}, "no-such-url"},
		"an original":                   {Item{Path: "/wikipedia/commons/a/ab/A.jpg"}, "bad-url"},
		"a size that redirects":         {Item{Path: "/wikipedia/commons/thumb/a/ab/A.jpg/319px-A.jpg"}, "odd-size"},
	} {
		t.Run(name, func(t *testing.T) {
			b.Render(t.Context(), []Item{c.item}, false, func(r Result) {
				if r.Outcome != c.outcome || r.OK() != (c.outcome == "rendered") || (r.Key != "") != r.OK() || r.Path != c.item.Path {
					t.Errorf("%+v, want %s", r, c.outcome)
				}
			})
		})
	}
}

// The JSON of results stays the same, because operators' tools read it.
func TestAResultInJSON(t *testing.T) {
	for _, c := range []struct {
		result Result
		want   string
	}{
		{Result{Path: "/a", Number: 1, Of: 2, Outcome: "hit", Key: "k", Seconds: .5}, `{"path":"/a","number":1,"of":2,"outcome":"hit","key":"k","seconds":0.5}`},
		{Result{Spec: json.RawMessage(`{"width":1}`), Number: 2, Of: 2, Outcome: "absent", Message: "gone"}, `{"spec":{"width":1},"number":2,"of":2,"outcome":"absent","message":"gone","seconds":0}`},
	} {
		if got, err := json.Marshal(c.result); err != nil || string(got) != c.want {
			t.Errorf("%s, %v; want %s", got, err, c.want)
		}
	}
}
