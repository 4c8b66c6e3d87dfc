package capacity

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/thumbmill/thumbmill/loadtest/cluster"
	"github.com/thumbmill/thumbmill/loadtest/samples"
	"github.com/thumbmill/thumbmill/loadtest/simulator"
	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/objectstore/open"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// setting is one cluster under one load.
type setting struct {
	name                    string
	renderers, slots, ahead int
	mix                     mix
	use                     float64 // of the slots' time that is offered
	wait                    time.Duration
	seconds                 float64
	independent             bool // another run of the simulator is compared too
}

// mix draws a lane and a service time in seconds.
type mix struct {
	name string
	mean float64
	draw func(*rand.Rand) (renderjob.Lane, float64)
}

// photos vary as JPEGs of many sizes do: logarithmically normal, coefficient of variation 1.
func photos() mix {
	const mean = 0.04
	sigma := math.Sqrt(math.Log(2))
	return mix{"photos", mean, func(r *rand.Rand) (renderjob.Lane, float64) {
		return renderjob.LaneStandard, mean * math.Exp(sigma*r.NormFloat64()-sigma*sigma/2)
	}}
}

// mixed is photos and, one in ten, something expensive that takes eight times as long.
func mixed() mix {
	const light, heavy = 0.03, 0.24
	return mix{"mixed", .9*light + .1*heavy, func(r *rand.Rand) (renderjob.Lane, float64) {
		if r.Float64() < .1 {
			return renderjob.LaneExpensive, heavy * r.ExpFloat64()
		}
		return renderjob.LaneStandard, light * r.ExpFloat64()
	}}
}

func all() []setting {
	const usual = 5 * time.Second
	// Independent runs are long enough for two standard deviations of p95 to be within the bound.
	return []setting{
		{"one renderer, quiet", 1, 4, 1, photos(), .5, usual, 100, true},
		{"one renderer, busy", 1, 8, 1, photos(), .75, usual, 120, true},
		{"one renderer, very busy", 1, 4, 1, photos(), .85, usual, 40, false},
		{"four renderers, very busy", 4, 4, 1, photos(), .85, usual, 120, true},
		{"four renderers, at the limit", 4, 2, 1, photos(), .95, usual, 40, false},
		{"one renderer, short patience", 1, 4, 1, photos(), .95, 100 * time.Millisecond, 40, false},
		{"two renderers, two lanes", 2, 8, 1, mixed(), .7, usual, 80, true},
		{"four renderers, two lanes", 4, 2, 1, mixed(), .85, usual, 40, false},
		{"two renderers, two lanes, busier", 2, 4, 1, mixed(), .9, usual, 40, false},
	}
}

// load records arrivals and service times.
func (s setting) load(seed uint64, seconds float64) (requests []simulator.Request) {
	random := rand.New(rand.NewPCG(seed, 11))
	rate := s.use * float64(s.renderers*s.slots) / s.mix.mean
	for at := random.ExpFloat64() / rate; at < seconds; at += random.ExpFloat64() / rate {
		lane, service := s.mix.draw(random)
		requests = append(requests, simulator.Request{At: at, Lane: lane, Render: service})
	}
	return requests
}

// measured is what a cluster that does nothing else needs besides the sleeps, in seconds.
type measured struct {
	hop    float64 // from the request to its slot, and back
	render float64 // in the slot: a sleep ends late
}

// storing is how long a place is held after the answer, where stores are in memory: the
// way of a message. Seconds.
const storing = .001

// with adds what was measured to requests that were not. About half of the hop is before
// the place is granted, and after the answer.
func (m measured) with(requests []simulator.Request) (all []simulator.Request) {
	for _, q := range requests {
		q.Fetch, q.Store, q.Render = m.hop/2, storing, q.Render+m.render
		all = append(all, q)
	}
	return all
}

// result is waits in seconds, sorted, and the share refused.
type result struct {
	waits   []float64
	refused float64
	failed  int // other than by a refusal for want of renderers
}

func (r result) quantile(q float64) float64 {
	if len(r.waits) == 0 {
		return 0
	}
	return r.waits[min(int(q*float64(len(r.waits))), len(r.waits)-1)]
}

func (s setting) simulate(t *testing.T, requests []simulator.Request) (r result) {
	t.Helper()
	refused := 0
	sim, err := simulator.New(simulator.Config{Renderers: s.renderers, Slots: s.slots, Ahead: s.ahead, QueueWait: s.wait.Seconds()}, func(d simulator.Done) {
		if d.Outcome == simulator.Answered {
			r.waits = append(r.waits, d.Waited)
		} else {
			refused++
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	sim.Run(slices.Values(requests))
	slices.Sort(r.waits)
	r.refused = float64(refused) / float64(len(requests))
	return r
}

// sleep renders by sleeping for the time that the original's name says.
func sleep(picture []byte) func(context.Context, thumbnail.Spec) ([]byte, error) {
	return func(ctx context.Context, s thumbnail.Spec) ([]byte, error) {
		_, text, _ := strings.Cut(s.Original.Path, "-")
		text, _, _ = strings.Cut(text, ".")
		us, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, err
		}
		select {
		case <-time.After(time.Duration(us) * time.Microsecond):
			return picture, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// imagined is a store in which every original is, and no thumbnail.
type imagined struct{ jpeg, tiff []byte }

type content struct{ *bytes.Reader }

func (content) Close() error { return nil }

func (i imagined) body(at thumbnail.Location) []byte {
	if strings.HasSuffix(at.Path, ".tiff") {
		return i.tiff
	}
	return i.jpeg
}

func (i imagined) Head(_ context.Context, at thumbnail.Location) (objectstore.Info, error) {
	if i.jpeg == nil {
		return objectstore.Info{}, objectstore.ErrNotFound
	}
	return objectstore.Info{Size: int64(len(i.body(at))), Version: "1"}, nil
}

func (i imagined) Open(ctx context.Context, at thumbnail.Location) (objectstore.Object, objectstore.Info, error) {
	info, err := i.Head(ctx, at)
	return content{bytes.NewReader(i.body(at))}, info, err
}

func (imagined) Put(context.Context, thumbnail.Location, []byte, objectstore.Meta) error { return nil }
func (imagined) Delete(context.Context, thumbnail.Location) error                        { return nil }
func (imagined) List(context.Context, thumbnail.Location, string) ([]thumbnail.Location, error) {
	return nil, nil
}
func (imagined) Close() error { return nil }

// start starts the cluster of a setting, with all throttles but the lanes out of the way.
func (s setting) start(t *testing.T) *cluster.Cluster {
	t.Helper()
	jpeg, err := samples.JPEG(samples.Landscape(64, 48))
	if err != nil {
		t.Fatal(err)
	}
	tiff, err := samples.TIFF(samples.Landscape(64, 48))
	if err != nil {
		t.Fatal(err)
	}
	c := cluster.Start(t, cluster.Options{
		Renderers: s.renderers, Render: sleep(jpeg), Stores: &open.Stores{Originals: imagined{jpeg, tiff}, Thumbnails: imagined{}},
		Settings: func(x *settings.Settings) {
			wide := settings.Pool{Workers: 10_000, MaxQueue: 10_000, Timeout: s.wait}
			x.Throttle.PerIP, x.Throttle.PerOriginal, x.Throttle.QueueWait = wide, wide, s.wait
			x.Throttle.Expensive.Workers, x.Throttle.Expensive.MaxQueue, x.Throttle.Expensive.Timeout = 10_000, 10_000, s.wait
			x.Renderer.Slots, x.Renderer.Ahead = s.slots, s.ahead
			x.Log.Level = "error"
		},
	})
	cluster.Eventually(t, "the edge knows all renderers", func() bool { return c.LaneWorkers(renderjob.LaneStandard) == (s.renderers*s.slots*3+1)/2 })
	return c
}

// measure asks for one thumbnail after the other.
func (s setting) measure(t *testing.T, c *cluster.Cluster, client *http.Client) (m measured) {
	t.Helper()
	var hops, renders []float64
	for i := range 100 {
		q := simulator.Request{Lane: renderjob.LaneStandard, Render: .02}
		began := time.Now()
		status, render := s.ask(client, c.Edges[0].Addr(), 1_000_000+i, q)
		if status != http.StatusOK || render == 0 {
			t.Fatalf("%d, %v seconds", status, render)
		}
		hops, renders = append(hops, time.Since(began).Seconds()-render), append(renders, render-q.Render)
	}
	slices.Sort(hops)
	slices.Sort(renders)
	return measured{hops[len(hops)/2], renders[len(renders)/2]}
}

// run gives the cluster the load, open-loop. It notes in requests what each took, and gives
// what a request takes that waits for nobody.
func (s setting) run(t *testing.T, requests []simulator.Request) (r result, m measured) {
	t.Helper()
	c := s.start(t)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1000}, Timeout: time.Minute}
	defer client.CloseIdleConnections()
	m = s.measure(t, c, client)
	recorded := m.with(requests)
	var mu sync.Mutex
	var group sync.WaitGroup
	refused := 0
	began := time.Now().Add(100 * time.Millisecond)
	for i, q := range requests {
		due := began.Add(time.Duration(q.At * float64(time.Second)))
		time.Sleep(time.Until(due))
		group.Go(func() {
			status, render := s.ask(client, c.Edges[0].Addr(), i, q)
			waited := time.Since(due).Seconds() - render - m.hop
			mu.Lock()
			defer mu.Unlock()
			switch status {
			case http.StatusOK:
				r.waits = append(r.waits, waited)
				recorded[i].Render = render
			case http.StatusServiceUnavailable:
				refused++
			default:
				r.failed++
			}
		})
	}
	group.Wait()
	slices.Sort(r.waits)
	r.refused = float64(refused) / float64(len(requests))
	copy(requests, recorded)
	return r, m
}

// ask gets a thumbnail, and gives the time that its render took in a slot, as the edge
// was told, in seconds.
func (s setting) ask(client *http.Client, address string, i int, q simulator.Request) (status int, render float64) {
	ending := map[renderjob.Lane]string{renderjob.LaneStandard: "jpg", renderjob.LaneExpensive: "tiff"}[q.Lane]
	request, err := http.NewRequest(http.MethodGet, fmt.Sprintf("http://%s/unsafe/30x/o%d-%d.%s", address, i, int64(q.Render*1e6), ending), nil)
	if err != nil {
		return 0, 0
	}
	request.Header.Set("X-Forwarded-For", fmt.Sprintf("10.%d.%d.%d", i>>16&255, i>>8&255, i&255))
	response, err := client.Do(request)
	if err != nil {
		return 0, 0
	}
	_, _ = io.Copy(io.Discard, response.Body)
	_ = response.Body.Close()
	if at := workerTime.FindStringSubmatch(response.Header.Get("Server-Timing")); at != nil {
		render, _ = strconv.ParseFloat(at[1], 64)
	}
	return response.StatusCode, render / 1000
}

var workerTime = regexp.MustCompile(`worker;dur=([0-9.]+)`)

// near is the bound: a tenth, or ten milliseconds; of refusals a tenth, or half a percent.
func near(planned, got, least float64) bool {
	return math.Abs(planned-got) <= max(.1*planned, least)
}

func (r result) near(got result) bool {
	return near(r.quantile(.5), got.quantile(.5), .01) && near(r.quantile(.95), got.quantile(.95), .01) && near(r.refused, got.refused, .005) && got.failed == 0
}

// TestThePlanIsRight takes minutes and the whole machine, so that it runs where a file for
// its table is named.
func TestThePlanIsRight(t *testing.T) {
	file := os.Getenv("THUMBMILL_VALIDATE")
	if file == "" {
		t.Skip("make validate-capacity runs it: THUMBMILL_VALIDATE names no file for the table")
	}
	out, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = out.Close() }()
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(cells ...any) {
		for i, c := range cells {
			_, _ = fmt.Fprint(table, map[bool]string{true: "", false: "\t"}[i == 0], c)
		}
		_, _ = fmt.Fprintln(table)
	}
	row("setting", "renderers", "slots", "mix", "use", "requests", "", "p50 ms", "p95 ms", "refused", "within")
	within := 0
	for i, s := range all() {
		ok := true
		t.Run(s.name, func(t *testing.T) { ok = s.validate(t, uint64(i+1), row) })
		if ok {
			within++
		}
	}
	_ = table.Flush()
	_, _ = fmt.Fprintf(out, "within bounds: %d of %d settings\n", within, len(all()))
	if within < len(all()) {
		t.Fail()
	}
}

// validate compares one setting, and writes its rows.
func (s setting) validate(t *testing.T, seed uint64, row func(...any)) bool {
	t.Helper()
	requests := s.load(seed, s.seconds)
	got, m := s.run(t, requests)
	planned := s.simulate(t, requests)
	line := func(what string, r result, ok string) {
		row("", "", "", "", "", "", what, ms(r.quantile(.5)), ms(r.quantile(.95)), fmt.Sprintf("%.2f %%", 100*r.refused), ok)
	}
	row(s.name, s.renderers, s.slots, s.mix.name, s.use, len(requests), "cluster", ms(got.quantile(.5)), ms(got.quantile(.95)), fmt.Sprintf("%.2f %%", 100*got.refused), "")
	ok := planned.near(got)
	line("planned, same requests", planned, yes(ok))
	if s.independent {
		other := s.simulate(t, m.with(s.load(seed+1000, 100*s.seconds)))
		line("planned, independent", other, yes(other.near(got)))
		ok = ok && other.near(got)
	}
	t.Logf("%s: a request that waits for nobody takes %.1f ms, its render %.2f ms more than it sleeps", s.name, 1000*m.hop, 1000*m.render)
	if got.failed > 0 {
		t.Logf("%d requests failed otherwise", got.failed)
	}
	return ok
}

func ms(seconds float64) string { return fmt.Sprintf("%.1f", 1000*seconds) }

func yes(ok bool) string {
	if ok {
		return "yes"
	}
	return "no"
}
