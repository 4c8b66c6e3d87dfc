package wanted

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/thumbmill/thumbmill/coordinator/internal/demand"
)

// fleet simulates renderers under an autoscaler: it adds wanted renderers, which take a minute to
// start, and removes surplus ones.
type fleet struct {
	running  int
	starting []time.Time
}

func (f *fleet) follow(now time.Time, wanted int) (change int) {
	for len(f.starting) > 0 && now.After(f.starting[0]) {
		f.starting = f.starting[1:]
		f.running++
	}
	change = wanted - f.running - len(f.starting)
	for range change {
		f.starting = append(f.starting, now.Add(time.Minute))
	}
	for ; f.running+len(f.starting) > wanted; f.running-- {
	}
	return change
}

const slots, service = 8, 0.25 // slots of a renderer; seconds

// second simulates a second of requests. Requests beyond the slots are refused.
func (f *fleet) second(s *Sample, rate float64, random *rand.Rand) {
	came := max(0, rate+math.Sqrt(rate)*random.NormFloat64())
	can := float64(f.running*slots) / service
	done := min(came, can)
	s.Granted += int64(done)
	s.Refused += int64(came - done)
	s.Busy, s.Slots, s.Renderers = done*service, f.running*slots, f.running
}

// A day has twice the load in the evening, noise, and a sudden hour of three times the load. The fleet
// follows, refuses nearly nothing, and never reverses its direction within five minutes.
func TestADay(t *testing.T) {
	e, f, s := New(), &fleet{running: 5}, Sample{}
	random := rand.New(rand.NewPCG(1, 2))
	start := time.Unix(0, 0)
	var refusedCalm int64
	var turns, changes, most int
	var last time.Time
	var direction int
	for second := range 24 * 3600 {
		now := start.Add(time.Duration(second) * time.Second)
		rate := 150 - 50*math.Cos(2*math.Pi*float64(second)/86400)
		burst := second >= 14*3600 && second < 15*3600
		if burst {
			rate *= 3
		}
		before := s.Refused
		f.second(&s, rate, random)
		if second < 14*3600 || second > 14*3600+300 {
			refusedCalm += s.Refused - before
		}
		e.Note(now, s)
		if second%15 != 0 || second < 600 { // the interval of an autoscaler
			continue
		}
		if change := f.follow(now, e.Renderers()); change != 0 {
			changes++
			up := map[bool]int{true: 1, false: -1}[change > 0]
			if up != direction && direction != 0 && now.Sub(last) < hold {
				turns++
			}
			direction, last = up, now
		}
		most = max(most, f.running)
	}
	t.Logf("%d changes, at most %d renderers, %d of %d requests refused, %d of them outside the burst's first five minutes",
		changes, most, s.Refused, s.Granted+s.Refused, refusedCalm)
	if turns > 0 {
		t.Errorf("the fleet flapped %d times", turns)
	}
	if share := float64(refusedCalm) / float64(s.Granted); share > 0.001 {
		t.Errorf("a share of %.4f of the requests was refused", share)
	}
	if want := int(math.Ceil(3 * 200 * service / (Target * slots))); most < want-4 || most > want+4 {
		t.Errorf("%d renderers in the burst, want about %d", most, want)
	}
	if changes > 200 {
		t.Errorf("%d changes in a day", changes)
	}
}

// A coordinator that starts under load removes no renderer, and soon knows the load.
func TestAStartUnderLoad(t *testing.T) {
	e, s, now := New(), Sample{}, time.Unix(0, 0)
	for second := range 300 {
		now = now.Add(time.Second)
		s.Granted += 480 // requests of a quarter of a second: 120 slots, the work of 21 renderers at 0.7 of their time
		s.Busy, s.Slots, s.Renderers = 120, 22*slots, 22
		e.Note(now, s)
		if got := e.Renderers(); second > 2 && (got < 22 || got > 24) {
			t.Fatalf("%[2]d renderers after %[1]d seconds", second, got)
		}
	}
}

// An outage of renders does not lower the wanted number while requests are admitted.
func TestRendersThatStop(t *testing.T) {
	e, s, now := New(), Sample{}, time.Unix(0, 0)
	for second := range 1500 {
		now = now.Add(time.Second)
		s.Granted += 480
		s.Busy, s.Slots, s.Renderers = 120, 22*slots, 22
		if second > 600 {
			s.Busy = 0
		}
		e.Note(now, s)
	}
	if got := e.Renderers(); got < 21 {
		t.Errorf("%d renderers in the outage", got)
	}
}

func TestNoRendererLives(t *testing.T) {
	e, s := New(), Sample{}
	if e.Renderers() != 1 {
		t.Error("an estimator without samples does not want one renderer")
	}
	now := time.Unix(0, 0)
	for range 600 {
		now = now.Add(time.Second)
		s.Refused += 100
		e.Note(now, s)
	}
	if got := e.Renderers(); got < 20 || got > 40 { // 100/s of 0.2 s, with unknown slots
		t.Errorf("%d renderers", got)
	}
	e.Note(now.Add(time.Second), Sample{}) // a sample of another coordinator
	for range 800 {
		now = now.Add(time.Second)
		e.Note(now, Sample{})
	}
	if got := e.Renderers(); got > 2 {
		t.Errorf("%d renderers without requests", got)
	}
}

// One client that hammers is no reason to add renderers, with little other load or none. The same load
// of many clients is a reason, and the load of a client that per-ip does not limit is one too.
func TestOneClientIsNoReason(t *testing.T) {
	beyond := 0.0 // the share of the last run
	run := func(clients []demand.Load) int {
		e := New()
		s := Sample{Slots: 2, Renderers: 1, Busy: 2, Clients: clients}
		for second := range 600 {
			e.Note(time.Unix(int64(second), 0), s)
			s.Granted += 10
			s.Refused += 40
		}
		all, of := e.Offered()
		beyond = of / all
		return e.Renderers()
	}
	if n := run([]demand.Load{{Work: 1, Refused: 40}}); n != 1 || beyond < .95 || beyond >= 1 {
		t.Errorf("%d renderers for one client, a share of %.2f beyond its own", n, beyond)
	}
	if n := run([]demand.Load{{Work: 0.8, Refused: 40}, {Work: 0.2}}); n != 1 {
		t.Errorf("%d renderers for one client and another", n)
	}
	if n := run(nil); n != 8 {
		t.Errorf("%d renderers for clients without a limit, want 10 slots at 0.7", n)
	}
	var many []demand.Load
	for range 50 {
		many = append(many, demand.Load{Work: 0.02, Refused: 0.8})
	}
	if n := run(many); n != 8 || beyond != 0 {
		t.Errorf("%d renderers for many clients, a share of %.2f beyond their own", n, beyond)
	}
}
