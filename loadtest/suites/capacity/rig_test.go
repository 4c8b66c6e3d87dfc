package capacity

import (
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/thumbmill/thumbmill/deploy/samples"
	"github.com/thumbmill/thumbmill/loadtest/suites/cluster"
	"github.com/thumbmill/thumbmill/loadtest/tool/simulator"
	"github.com/thumbmill/thumbmill/shared/objectstore/open"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/settings"
)

// rig is the cluster of a setting. Only the lanes limit requests, and per-ip an abusive
// client.
type rig struct {
	setting setting
	cluster *cluster.Cluster
	sleeper *sleeper
	client  *http.Client
	asked   int
}

func (s setting) start(t *testing.T) *rig {
	t.Helper()
	jpeg, err := samples.JPEG(samples.Landscape(64, 48))
	if err != nil {
		t.Fatal(err)
	}
	tiff, err := samples.TIFF(samples.Landscape(64, 48))
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{
		setting: s, sleeper: &sleeper{picture: jpeg},
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1000}, Timeout: time.Minute},
	}
	t.Cleanup(r.client.CloseIdleConnections)
	r.cluster = cluster.Start(t, cluster.Options{
		Renderers: s.renderers, Render: r.sleeper.render, Stores: &open.Stores{Originals: imagined{jpeg: jpeg, tiff: tiff}, Thumbnails: imagined{write: s.store}},
		Settings: func(x *settings.Settings) {
			wide := settings.Pool{Workers: 10_000, MaxQueue: 10_000, Timeout: s.wait}
			x.Throttle.PerIP, x.Throttle.PerOriginal, x.Throttle.QueueWait = wide, wide, s.wait
			if quarter := s.renderers * s.slots / 4; s.abuser > 0 {
				x.Throttle.PerIP = settings.Pool{Workers: quarter, MaxQueue: quarter, Timeout: s.wait}
			}
			x.Throttle.Expensive.Workers, x.Throttle.Expensive.MaxQueue, x.Throttle.Expensive.Timeout = 10_000, 10_000, s.wait
			x.Renderer.Slots, x.Renderer.Ahead = s.slots, s.ahead
			x.Log.Level = "error"
		},
	})
	cluster.Eventually(t, "the edge knows all renderers", func() bool { return r.cluster.LaneWorkers(renderjob.LaneStandard) == (s.renderers*s.slots*3+1)/2 })
	return r
}

// answer is the result of a request.
type answer struct {
	status int
	render float64 // seconds in a slot, from the answer's header
	took   float64 // seconds since the request was due
}

// send sends a load open-loop, and returns its answers and its start.
func (r *rig) send(l load) (all []answer, began time.Time) {
	all = make([]answer, len(l.requests))
	var group sync.WaitGroup
	began = time.Now().Add(100 * time.Millisecond)
	for i, q := range l.requests {
		due := began.Add(time.Duration(q.At * float64(time.Second)))
		time.Sleep(time.Until(due)) // open-loop: a request is sent when it is due
		r.asked++
		number, client := r.asked, oneOfMany(r.asked)
		if l.abuse[q.At] {
			client = "203.0.113.66"
		}
		group.Go(func() { all[i] = r.ask(number, client, q, due) })
	}
	group.Wait()
	return all, began
}

// oneOfMany returns the address of a client of its own.
func oneOfMany(i int) string { return fmt.Sprintf("10.%d.%d.%d", i>>16&255, i>>8&255, i&255) }

// ask requests a thumbnail that no other request asks for.
func (r *rig) ask(i int, client string, q simulator.Request, due time.Time) (a answer) {
	ending := map[renderjob.Lane]string{renderjob.LaneStandard: "jpg", renderjob.LaneExpensive: "tiff"}[q.Lane]
	request, err := http.NewRequest(http.MethodGet, fmt.Sprintf("http://%s/unsafe/30x/o%d-%d.%s", r.cluster.Edges[0].Addr(), i, int64(q.Render*1e6), ending), nil)
	if err != nil {
		return a
	}
	request.Header.Set("X-Forwarded-For", client)
	response, err := r.client.Do(request)
	if err != nil {
		return a
	}
	_, _ = io.Copy(io.Discard, response.Body)
	_ = response.Body.Close()
	if at := workerTime.FindStringSubmatch(response.Header.Get("Server-Timing")); at != nil {
		ms, _ := strconv.ParseFloat(at[1], 64)
		a.render = ms / 1000
	}
	a.status, a.took = response.StatusCode, time.Since(due).Seconds()
	return a
}

var workerTime = regexp.MustCompile(`worker;dur=([0-9.]+)`)
