package cluster

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/thumbmill/thumbmill/shared/directive"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/throttle"
)

// decisions returns the number of a throttle's decisions at the first edge.
func (c *Cluster) decisions(throttle, decision string) float64 {
	return c.Edges[0].Metric(c.t, "thumbmill_throttle_decisions_total", "throttle", throttle, "decision", decision)
}

// waitLong extends the waits so that no request is refused for a long wait.
func waitLong(s *settings.Settings) {
	s.Throttle.PerIP.Timeout, s.Throttle.PerOriginal.Timeout, s.Throttle.QueueWait = 20*time.Second, 20*time.Second, 20*time.Second
}

// Four requests of a client that wait for one hot original do not delay its requests for other
// originals.
func TestAHotOriginalDoesNotUseUpItsClients(t *testing.T) {
	t.Parallel()
	c := Start(t, Options{Renderers: 2, Settings: func(s *settings.Settings) {
		s.Throttle.PerOriginal.Workers = 1
		waitLong(s)
	}})
	landscape(c, "hot.jpg")
	landscape(c, "cold.jpg")
	release := c.Hooks.Hold()
	var waiting []<-chan Answer
	for width := range 5 {
		waiting = append(waiting, c.Go(t.Context(), c.Edges[0], fmt.Sprintf("/unsafe/%dx/hot.jpg", 100+width), alice))
	}
	Eventually(t, "one renders, and one waits for a place for the other four", func() bool {
		return c.Held(throttle.PerOriginal) == 1 && c.Waiting(throttle.PerOriginal) == 1
	})
	cold := c.Go(t.Context(), c.Edges[0], "/unsafe/100x/cold.jpg", alice)
	Eventually(t, "the other original renders", func() bool { return c.Hooks.Held() == 2 })
	release()
	(<-cold).Wants(t, 200)
	for _, w := range waiting {
		(<-w).Wants(t, 200)
	}
}

// arrived returns the number of flights that are admitted or wait for a place of a lane. A job whose original
// comes slowly is admitted and takes no place.
func (c *Cluster) arrived() int { return c.Edges[0].OpenJobs() + int(c.Waiting(throttle.Lane)) }

// A flood of one client does not delay another client's single request.
func TestAFloodWaitsForItself(t *testing.T) {
	t.Parallel()
	c := Start(t, Options{Settings: func(s *settings.Settings) {
		s.Throttle.PerIP.Workers = 50
		waitLong(s)
	}})
	for n := range 20 {
		landscape(c, fmt.Sprintf("%d.jpg", n))
	}
	landscape(c, "modest.jpg")
	lengthenLane(t, c)
	release := c.Hooks.Hold()
	order := make(chan string, 21)
	ask := func(path, client string) {
		go func() { c.Get(t.Context(), c.Edges[0], path, client).Wants(t, 200); order <- client }()
	}
	for n := range 20 {
		ask(fmt.Sprintf("/unsafe/100x/%d.jpg", n), alice)
	}
	Eventually(t, "the flood has arrived", func() bool { return c.arrived() == 20 }) // on a slow machine all are admitted: jobs whose original comes slowly give their places back
	ask("/unsafe/100x/modest.jpg", bob)
	Eventually(t, "bob waits", func() bool { return c.arrived() == 21 })
	admitted := c.Edges[0].OpenJobs()
	release()
	before := 0
	for client := range order {
		if client == bob {
			break
		}
		before++
	}
	if before > admitted+2 { // requests that were admitted before, one more, and one that overtook on its way back
		t.Errorf("bob was served after %d of the flood", before)
	}
	for n := before + 1; n < 21; n++ {
		<-order
	}
}

// A reader's page of forty new thumbnails is answered whole by two slots and by two hundred, although it takes
// longer than one request may wait. The reader's next page finds no place that the first one left taken.
func TestAPageIsAnsweredWhole(t *testing.T) {
	for _, slots := range []int{2, 200} {
		t.Run(fmt.Sprintf("%d slots", slots), func(t *testing.T) {
			t.Parallel()
			answerPageWhole(t, slots)
		})
	}
}

func answerPageWhole(t *testing.T, slots int) {
	t.Helper()
	c := Start(t, Options{Settings: func(s *settings.Settings) {
		s.Renderer.Slots = slots
		s.Throttle.PerIP.Timeout, s.Throttle.QueueWait = time.Second, time.Second
	}})
	const thumbnails = 40
	body := picture(t, 300, 200)
	for n := range thumbnails {
		c.Original(fmt.Sprintf("%d.jpg", n), body, nil)
	}
	release := c.Hooks.Hold()
	ctx, leave := context.WithCancel(t.Context())
	var left, page []<-chan Answer
	for n := range thumbnails {
		left = append(left, c.Go(ctx, c.Edges[0], fmt.Sprintf("/unsafe/90x/%d.jpg", n), alice))
	}
	busy := min(slots, settings.Default().Throttle.PerIP.Workers)
	Eventually(t, "as many render as the reader may take", func() bool { return c.Hooks.Held() == busy })
	leave()
	for _, answer := range left {
		<-answer
	}
	for n := range thumbnails {
		page = append(page, c.Go(t.Context(), c.Edges[0], fmt.Sprintf("/unsafe/100x/%d.jpg", n), alice))
	}
	Eventually(t, "the wait of one thumbnail is over", func() bool { return c.decisions("per-ip", "refuse")+c.decisions("lane", "refuse") > 0 })
	release()
	for _, answer := range page {
		(<-answer).Wants(t, 200)
	}
}

// lengthenLane gives the standard lane a queue in which one client's flood fits, however slow the machine
// is. By itself, a lane's queue is as long as the lane can serve.
func lengthenLane(t *testing.T, c *Cluster) {
	t.Helper()
	give(t, c.Coordinators[0], directive.Limit, "lane:standard", map[string]any{"max_queue": 100})
	Eventually(t, "the lane is longer", func() bool {
		for _, r := range c.Throttles().Rules {
			if r.Name == "lane:standard" && r.MaxQueue == 100 {
				return true
			}
		}
		return false
	})
}

// One client that hammers a small cluster is refused by per-ip, and sixteen others are served. The report
// names the client once. The package wanted tests that no renderer is wanted for such a client.
func TestOneClientIsRefusedByPerIP(t *testing.T) {
	t.Parallel()
	c := Start(t, Options{Settings: func(s *settings.Settings) {
		s.Throttle.PerIP.Workers, s.Throttle.PerIP.MaxQueue = 19, 20
		waitLong(s)
	}})
	co := c.Coordinators[0]
	give(t, co, directive.Limit, "lane:standard", map[string]any{"max_queue": 40})
	for n := range 60 {
		landscape(c, fmt.Sprintf("%d.jpg", n))
	}
	release := c.Hooks.Hold()
	var hammering, others []<-chan Answer
	for n := range 44 {
		hammering = append(hammering, c.Go(t.Context(), c.Edges[0], fmt.Sprintf("/unsafe/100x/%d.jpg", n), alice))
	}
	Eventually(t, "per-ip refuses what is more than the client's queue", func() bool { return c.decisions("per-ip", "refuse") == 24 })
	for n := range 16 {
		others = append(others, c.Go(t.Context(), c.Edges[0], fmt.Sprintf("/unsafe/100x/%d.jpg", 44+n), fmt.Sprintf("198.51.100.%d", n)))
	}
	Eventually(t, "the others wait", func() bool { return c.arrived() == 36 })
	release()
	for _, answer := range others {
		(<-answer).Wants(t, 200)
	}
	for _, answer := range hammering {
		<-answer
	}
	Eventually(t, "the report names the client, once", func() bool {
		all := reportOf(t, co).Clients
		return len(all) > 0 && all[0].Name == alice && all[0].RefusedShare == 1 && all[0].WorkShare > 0 && len(all[0].By) == 1
	})
	if r := reportOf(t, co); r.Refusals["lane"] != 0 {
		t.Errorf("lanes refuse %v a second", r.Refusals["lane"])
	}
}

// An operator's directive for per-ip holds for each client's line at its edge too.
func TestADirectiveWidensALine(t *testing.T) {
	t.Parallel()
	const wide, thumbnails = 6, 30
	c := Start(t, Options{Settings: func(s *settings.Settings) {
		s.Throttle.PerIP.Workers, s.Throttle.PerIP.MaxQueue = 1, 50
		waitLong(s)
	}})
	for n := range thumbnails {
		landscape(c, fmt.Sprintf("%d.jpg", n))
	}
	for _, rule := range []string{"per-ip", "lane:standard"} {
		give(t, c.Coordinators[0], directive.Limit, rule, map[string]any{"workers": wide, "max_queue": 100})
	}
	release := c.Hooks.Hold()
	var all []<-chan Answer
	Eventually(t, "as many flights of the client hold places as the directive allows", func() bool {
		if n := len(all); n < thumbnails { // an edge hears of a directive a moment later
			all = append(all, c.Go(t.Context(), c.Edges[0], fmt.Sprintf("/unsafe/100x/%d.jpg", n), alice))
		}
		return c.Edges[0].Metric(t, "thumbmill_leases") == wide
	})
	release()
	for _, answer := range all {
		(<-answer).Wants(t, 200)
	}
}

// Exempt networks are counted, not limited. A throttle in shadow mode counts the refusals that it
// would have made.
func TestExemptionsAndShadowMode(t *testing.T) {
	t.Parallel()
	one := settings.Pool{Workers: 1, MaxQueue: 1, Timeout: time.Second}
	shadow := one
	shadow.Shadow = true
	c := Start(t, Options{Settings: func(s *settings.Settings) {
		s.Throttle.PerIP, s.Throttle.PerOriginal = one, shadow
		s.Throttle.Exempt = []string{"203.0.113.0/24"}
		s.Renderer.Batch = 1 // each flight asks for itself
	}})
	landscape(c, "a.jpg")
	release := c.Hooks.Hold()
	var all []<-chan Answer
	for width := range 2 {
		all = append(all, c.Go(t.Context(), c.Edges[0], fmt.Sprintf("/unsafe/%dx/a.jpg", 100+width), "203.0.113.7"))
	}
	Eventually(t, "both are admitted", func() bool { return c.Edges[0].Metric(t, "thumbmill_leases") == 2 })
	if exempt, shadowed := c.decisions("per-ip", "exempt"), c.decisions("per-original", "shadow"); exempt != 2 || shadowed != 1 {
		t.Errorf("%v exempt, %v shadowed", exempt, shadowed)
	}
	if class := c.Throttles().Classes[throttle.PerOriginal]; class.Shadowed != 1 || class.Holders != 2 {
		t.Errorf("%+v", class)
	}
	release()
	for _, w := range all {
		(<-w).Wants(t, 200)
	}
}

// A lane's pool follows the number of living renderers.
func TestTheLaneFollowsTheFleet(t *testing.T) {
	t.Parallel()
	c := Start(t, Options{})
	Eventually(t, "one slot makes a lane of two", func() bool { return c.LaneWorkers(renderjob.LaneStandard) == 2 })
	more := c.AddRenderer()
	Eventually(t, "two slots make a lane of three", func() bool { return c.LaneWorkers(renderjob.LaneStandard) == 3 })
	if err := more.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	Eventually(t, "one slot makes a lane of two again", func() bool { return c.LaneWorkers(renderjob.LaneStandard) == 2 })
}

// An original with a long render takes more places of its type's pool the next time.
func TestExpensiveByMeasuredCost(t *testing.T) {
	t.Parallel()
	c := Start(t, Options{Workers: true, Settings: func(s *settings.Settings) {
		s.Throttle.Expensive = settings.ExpensivePool{Workers: 8, MaxQueue: 20, Timeout: 5 * time.Second, Types: []string{"jpeg"}, Place: time.Millisecond}
	}})
	landscape(c, "a.jpg")
	landscape(c, "b.jpg") // has the same size, and is not on the renderer's disk yet
	held := func(path string) float64 {
		release := c.Hooks.HoldReads()
		answer := c.Go(t.Context(), c.Edges[0], path, alice)
		Eventually(t, "the render has begun", func() bool { return c.Hooks.Held() == 1 })
		places := c.Held(throttle.Expensive)
		release()
		(<-answer).Wants(t, 200)
		Eventually(t, "its lease has ended", func() bool { return c.Held(throttle.Expensive) == 0 })
		return places
	}
	if places := held("/unsafe/100x/a.jpg"); places != 1 {
		t.Errorf("an original without a known cost takes %v places", places)
	}
	if places := held("/unsafe/101x/b.jpg"); places <= 1 || places > 4 {
		t.Errorf("an original that took more than a millisecond takes %v places of 8", places)
	}
}

// When an edge learns that an original is damaged, another edge does not try it again: the end of
// the lease that it waits for tells it. Operators see the original and can clear it.
func TestAFaultIsSharedAndSeen(t *testing.T) {
	t.Parallel()
	c := Start(t, Options{Edges: 2})
	c.Original("bad.jpg", []byte("\xff\xd8\xff\xe0\x00\x10JFIF"), nil)
	release := c.Hooks.HoldReads()
	first := c.Go(t.Context(), c.Edges[0], "/unsafe/100x/bad.jpg", alice)
	Eventually(t, "the first render has begun", func() bool { return c.Hooks.Held() == 1 })
	second := c.Go(t.Context(), c.Edges[1], "/unsafe/100x/bad.jpg", bob)
	Eventually(t, "the second waits for it", func() bool { return c.Waiting(throttle.Thumbnail) == 1 })
	release()
	one, other := <-first, <-second
	one.Wants(t, 422)
	other.Wants(t, 422)
	if string(one.Body) != string(other.Body) {
		t.Errorf("%q and %q", one.Body, other.Body)
	}
	Eventually(t, "operators see the original at the coordinator", func() bool {
		failing := c.Throttles().Failing
		return len(failing) == 1 && failing[0].Original == "bad.jpg" && failing[0].Failures == 1
	})
	w := httptest.NewRecorder()
	c.Edges[0].API().ServeHTTP(w, httptest.NewRequest(http.MethodDelete, "/api/v1/failing?original=bad.jpg", nil))
	if w.Code != http.StatusOK {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	w = httptest.NewRecorder()
	c.Edges[0].API().ServeHTTP(w, httptest.NewRequest(http.MethodDelete, "/api/v1/failing?original=bad.jpg", nil))
	if w.Code != http.StatusNotFound {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
