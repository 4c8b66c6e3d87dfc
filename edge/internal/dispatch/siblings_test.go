package dispatch

import (
	"cmp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/thumbmill/thumbmill/shared/queue"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// family is a dispatcher, and its jobs by the names in a test.
type family struct {
	t    *testing.T
	d    *Dispatcher
	conn *nats.Conn
	jobs map[string]*Handle
}

func newFamily(t *testing.T) *family {
	d, conn := start(t)
	return &family{t: t, d: d, conn: conn, jobs: map[string]*Handle{}}
}

// of returns a job of an original.
func of(name, original string) renderjob.Job {
	return renderjob.Job{
		ID: name, Lane: renderjob.LaneStandard, OriginalVersion: "v1", Trace: "trace of " + name,
		Spec: thumbnail.Spec{Original: thumbnail.Location{Path: original}, Type: thumbnail.TypeJPEG},
	}
}

// publish publishes jobs of cat.jpg.
func (f *family) publish(names ...string) {
	for _, name := range names {
		f.add(of(name, "cat.jpg"))
	}
}

func (f *family) add(j renderjob.Job, held ...*Handle) {
	f.t.Helper()
	h, err := f.d.Publish(within(f.t), j, held...)
	if err != nil {
		f.t.Fatal(err)
	}
	f.jobs[j.ID] = h
}

func (f *family) hold(names ...string) (held []*Handle) {
	for _, name := range names {
		f.jobs[name] = f.d.Hold(of(name, "cat.jpg"), time.Now().Add(20*time.Second))
		held = append(held, f.jobs[name])
	}
	return held
}

// begin begins a job on a renderer that takes batch jobs at once. It returns the siblings in the
// edge's answer, or the answer's word if the word is not Proceed.
func (f *family) begin(id string, batch int) string {
	f.t.Helper()
	a := f.say(renderjob.Result{Version: 1, JobID: id, State: renderjob.StateStarted, Batch: batch})
	if a.Word != renderjob.Proceed {
		return a.Word
	}
	var names []string
	for _, s := range a.Siblings {
		names = append(names, s.Job.ID)
		if s.Job.Trace != "trace of "+s.Job.ID || s.Job.Edge != "e" || s.Job.DeadlineMS < 10_000 {
			f.t.Errorf("the answer has the sibling %+v", s)
		}
	}
	return strings.Join(names, " ")
}

// say sends a result to the edge, and returns its answer.
func (f *family) say(r renderjob.Result) renderjob.Answer {
	f.t.Helper()
	m, err := r.Message(f.d.edge)
	if err != nil {
		f.t.Fatal(err)
	}
	answer, err := f.conn.RequestMsgWithContext(within(f.t), m)
	if err != nil {
		f.t.Fatal(err)
	}
	return renderjob.ReadAnswer(answer.Data)
}

func (f *family) tell(id string, state renderjob.State) {
	f.t.Helper()
	f.say(renderjob.Result{Version: 1, JobID: id, State: state})
}

// queued returns the IDs of the jobs in the stream.
func (f *family) queued() (ids []string) {
	f.t.Helper()
	stream, err := queue.Ensure(within(f.t), f.d.js, f.d.settings)
	if err != nil {
		f.t.Fatal(err)
	}
	info, err := stream.Info(within(f.t))
	if err != nil {
		f.t.Fatal(err)
	}
	for sequence := info.State.FirstSeq; sequence <= info.State.LastSeq && info.State.Msgs > 0; sequence++ {
		if m, err := stream.GetMsg(within(f.t), sequence); err == nil {
			j, _ := renderjob.ReadJob(m.Header, m.Data)
			ids = append(ids, j.ID)
		}
	}
	return ids
}

// released reports whether the dispatcher told a job's flight to look again. Then it restores the
// job, as the flight does.
func (f *family) released(name string) bool {
	f.t.Helper()
	select {
	case <-f.jobs[name].Reconnected():
		if err := f.jobs[name].Restore(within(f.t)); err != nil {
			f.t.Error(err)
		}
		return true
	default:
		return false
	}
}

func (f *family) wantReleased(names ...string) {
	f.t.Helper()
	for name := range f.jobs {
		if got := f.released(name); got != slices.Contains(names, name) {
			f.t.Errorf("%s is released: %v", name, got)
		}
	}
}

// The edge tells a renderer that begins a job which siblings to render with it.
func TestSiblings(t *testing.T) {
	for name, c := range map[string]struct {
		others []renderjob.Job // published before p of cat.jpg
		before func(*family)
		begins string // "" = p
		last   string // published after before, and then begun
		batch  int    // 0 = 16
		want   string
	}{
		"waiting jobs, oldest first":                {others: []renderjob.Job{of("a", "cat.jpg"), of("b", "cat.jpg")}, want: "a b"},
		"no more than the renderer takes":           {others: []renderjob.Job{of("a", "cat.jpg"), of("b", "cat.jpg")}, batch: 2, want: "a"},
		"none for a renderer that takes one job":    {others: []renderjob.Job{of("a", "cat.jpg")}, batch: 1},
		"none for a renderer of an earlier version": {others: []renderjob.Job{of("a", "cat.jpg")}, batch: -1},
		"none of another original":                  {others: []renderjob.Job{of("a", "dog.jpg")}},
		"none of another version":                   {others: []renderjob.Job{with(of("a", "cat.jpg"), func(j *renderjob.Job) { j.OriginalVersion = "v2" })}},
		"none of another lane":                      {others: []renderjob.Job{with(of("a", "cat.jpg"), func(j *renderjob.Job) { j.Lane = renderjob.LaneBulk })}},
		"no slow job for a job in advance":          {others: []renderjob.Job{with(of("a", "cat.jpg"), slow), with(of("b", "cat.jpg"), inAdvance)}, begins: "b"},
		"no job in advance for a slow job":          {others: []renderjob.Job{with(of("a", "cat.jpg"), inAdvance), with(of("b", "cat.jpg"), slow)}, begins: "b"},
		"slow jobs for a slow job":                  {others: []renderjob.Job{with(of("a", "cat.jpg"), slow), with(of("b", "cat.jpg"), slow)}, begins: "b", want: "a"},
		"no job with a watermark":                   {others: []renderjob.Job{with(of("a", "cat.jpg"), watermark)}},
		"none for a job with a watermark":           {others: []renderjob.Job{with(of("a", "cat.jpg"), watermark)}, begins: "a"},
		"none of a drawing":                         {others: []renderjob.Job{drawing("a"), drawing("b")}, begins: "a"},
		"no job that another renderer began":        {others: []renderjob.Job{of("a", "cat.jpg")}, before: func(f *family) { f.begin("a", 1) }},
		"no sibling of another job":                 {others: []renderjob.Job{of("a", "cat.jpg"), of("b", "cat.jpg"), of("c", "cat.jpg")}, before: func(f *family) { f.begin("a", 3) }, want: "", last: "d"},
		"no recalled job":                           {others: []renderjob.Job{of("a", "cat.jpg")}, before: func(f *family) { f.jobs["a"].Recall(within(f.t)) }},
		"no closed job":                             {others: []renderjob.Job{of("a", "cat.jpg")}, before: func(f *family) { f.jobs["a"].Close() }},
		"gone, since the job is a sibling":          {others: []renderjob.Job{of("a", "cat.jpg")}, before: func(f *family) { f.begin("a", 16) }, want: renderjob.Gone},
		"the same siblings at the second delivery":  {others: []renderjob.Job{of("a", "cat.jpg")}, before: func(f *family) { f.begin("p", 16) }, want: "a"},
		"only unfinished siblings at the second delivery": {
			others: []renderjob.Job{of("a", "cat.jpg"), of("b", "cat.jpg")}, want: "b",
			before: func(f *family) { f.begin("p", 16); f.tell("a", renderjob.StateStored); f.jobs["a"].Close() },
		},
		"newer jobs too at the second delivery": {
			others: []renderjob.Job{of("a", "cat.jpg")}, want: "a late",
			before: func(f *family) { f.begin("p", 16); f.publish("late") },
		},
		"no sibling that a renderer gave up": {
			others: []renderjob.Job{of("a", "cat.jpg")},
			before: func(f *family) { f.begin("p", 16); f.tell("a", renderjob.StateReleased) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFamily(t)
			for _, j := range c.others {
				f.add(j)
			}
			if c.begins == "" && c.last == "" {
				f.publish("p")
			}
			if c.before != nil {
				c.before(f)
			}
			if c.last != "" {
				f.publish(c.last)
			}
			if got := f.begin(cmp.Or(c.begins, c.last, "p"), max(0, cmp.Or(c.batch, 16))); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func with(j renderjob.Job, change func(*renderjob.Job)) renderjob.Job { change(&j); return j }

func inAdvance(j *renderjob.Job) { j.Lane = renderjob.LaneBulk }
func slow(j *renderjob.Job)      { j.Lane, j.Slow = renderjob.LaneBulk, true }

func watermark(j *renderjob.Job) {
	j.Spec.Operations = []thumbnail.Operation{{Picture: &thumbnail.Location{Path: "mark.png"}}}
}

func drawing(name string) renderjob.Job {
	return with(of(name, "plan.svg"), func(j *renderjob.Job) { j.Spec.Type = thumbnail.TypeSVG })
}

// The end of a delivery releases the siblings that it did not finish.
func TestSiblingsAreReleased(t *testing.T) {
	for name, c := range map[string]struct {
		end      func(*family) // p began with a and b
		released []string
	}{
		"none while the delivery goes on":                   {end: func(*family) {}},
		"none when another renderer begins the primary":     {end: func(f *family) { f.begin("p", 16) }},
		"all when the primary is stored":                    {end: func(f *family) { f.tell("p", renderjob.StateStored); f.jobs["p"].Close() }, released: []string{"a", "b"}},
		"all when the primary fails":                        {end: func(f *family) { f.tell("p", renderjob.StateFailed); f.jobs["p"].Close() }, released: []string{"a", "b"}},
		"all when the primary's deadline is over":           {end: func(f *family) { f.jobs["p"].Close() }, released: []string{"a", "b"}},
		"a sibling that the renderer gives up":              {end: func(f *family) { f.tell("b", renderjob.StateReleased) }, released: []string{"b"}},
		"siblings that the next renderer does not take":     {end: func(f *family) { f.begin("p", 2) }, released: []string{"b"}},
		"all when the next renderer has an earlier version": {end: func(f *family) { f.begin("p", 0) }, released: []string{"a", "b"}},
		"all when the primary moved to another lane": {end: func(f *family) {
			f.tell("p", renderjob.StateMoved)
			f.publish("c")
			if got := f.begin("p", 16); got != "" {
				f.t.Errorf("the moved job begins with siblings %q", got)
			}
			f.jobs["c"].Close()
			delete(f.jobs, "c")
		}, released: []string{"a", "b"}},
		"no sibling that is over":               {end: func(f *family) { f.tell("a", renderjob.StateFailed); f.jobs["p"].Close() }, released: []string{"b"}},
		"no sibling after its own deadline":     {end: func(f *family) { f.jobs["a"].Close(); delete(f.jobs, "a"); f.jobs["p"].Close() }, released: []string{"b"}},
		"no sibling twice":                      {end: func(f *family) { f.tell("b", renderjob.StateReleased); f.tell("b", renderjob.StateReleased) }, released: []string{"b"}},
		"no job that is not a sibling":          {end: func(f *family) { f.tell("p", renderjob.StateReleased) }},
		"none for a result of an unknown job":   {end: func(f *family) { f.tell("nobody's", renderjob.StateReleased) }},
		"none when the sibling's client leaves": {end: func(f *family) { f.jobs["a"].Recall(within(f.t)) }},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFamily(t)
			f.publish("p")
			f.publish("a", "b")
			if got := f.begin("p", 16); got != "a b" {
				t.Fatalf("p began with siblings %q", got)
			}
			for _, s := range []string{"a", "b"} {
				if r := <-f.jobs[s].Results(); r.State != renderjob.StateStarted {
					t.Errorf("the flight of %s receives %s", s, r.State)
				}
			}
			c.end(f)
			f.wantReleased(c.released...)
			for _, s := range c.released {
				if got := f.begin(s, 16); got != "" {
					t.Errorf("the released job %s begins with siblings %q, want none", s, got)
				}
			}
		})
	}
}

// A held job is in the queue only if no other job takes it along.
func TestHeldJobs(t *testing.T) {
	for name, c := range map[string]struct {
		end    func(*family) // p was published with a and b
		queued string
	}{
		"rendered with p":                  {end: func(f *family) { f.begin("p", 16) }, queued: "p"},
		"the renderer takes two jobs":      {end: func(f *family) { f.begin("p", 2) }, queued: "p b"},
		"a renderer of an earlier version": {end: func(f *family) { f.begin("p", 0) }, queued: "p a b"},
		"p recalled before it began":       {end: func(f *family) { f.jobs["p"].Recall(within(f.t)); f.jobs["p"].Close() }, queued: "a b"},
		"rendered with a third job": {end: func(f *family) {
			f.publish("q")
			if got := f.begin("q", 16); got != "p a b" {
				f.t.Errorf("q begins with siblings %q", got)
			}
		}, queued: "p q"},
		"a recalled": {end: func(f *family) { f.jobs["a"].Recall(within(f.t)); f.begin("p", 16) }, queued: "p"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFamily(t)
			f.add(of("p", "cat.jpg"), f.hold("a", "b")...)
			c.end(f)
			f.released("a")
			f.released("b")
			if got := strings.Join(f.queued(), " "); got != c.queued {
				t.Errorf("in the queue: %q, want %q", got, c.queued)
			}
		})
	}
}

func TestReleasePublishesAHeldJob(t *testing.T) {
	f := newFamily(t)
	for _, h := range f.hold("a") {
		h.Release()
	}
	f.wantReleased("a")
	if got := f.queued(); len(got) != 1 {
		t.Errorf("in the queue: %v", got)
	}
}
