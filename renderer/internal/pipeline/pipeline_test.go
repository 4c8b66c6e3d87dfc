package pipeline

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/thumbmill/thumbmill/renderer/internal/engine"
	"github.com/thumbmill/thumbmill/renderer/internal/intake"
	"github.com/thumbmill/thumbmill/renderer/internal/worker"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// way is one job's way through the pipeline: its setup, and its expected events.
type way struct {
	name   string
	job    func(*intake.Delivery)  // changes the job
	world  func(*world)            // changes the world
	on     map[string]func(*world) // acts at an event, before its effect
	want   []string                // events
	handed error                   // the error of Process
	kept   bool                    // the store has the thumbnail afterwards
	busy   int                     // slots that other jobs still hold
}

func (c way) test(t *testing.T) {
	w := newWorld(t)
	d := delivery()
	if c.job != nil {
		c.job(&d)
	}
	if c.world != nil {
		c.world(w)
	}
	w.on = c.on
	if err := w.process(d); !errors.Is(err, c.handed) {
		t.Errorf("Process returns %v, want %v", err, c.handed)
	}
	synctest.Wait() // for a purge
	if !slices.Equal(w.events, c.want) {
		t.Errorf("events:\n\t%s\nwant:\n\t%s", strings.Join(w.events, "\n\t"), strings.Join(c.want, "\n\t"))
	}
	if kept := len(w.keptPaths()) > 0; kept != c.kept {
		t.Errorf("the thumbnail is kept: %v", kept)
	}
	if w.pipeline.Busy() != c.busy || len(w.pipeline.Jobs()) != 0 {
		t.Errorf("%d slots are busy, and these jobs are left: %v", w.pipeline.Busy(), w.pipeline.Jobs())
	}
}

func testWays(t *testing.T, ways []way) {
	for _, c := range ways {
		t.Run(c.name, func(t *testing.T) { synctest.Test(t, c.test) })
	}
}

// events returns the events up to a point of a job's way, and the events after it.
func events(first []string, then ...string) []string { return append(slices.Clone(first), then...) }

var (
	begun    = []string{"started"}
	read     = events(begun, "fetch a.png")
	rendered = events(read, "render")
	replied  = events(rendered, "rendered")
	put      = events(replied, "put", "compare")
	whole    = events(put, "stored")
	tookBack = events(put, "delete", "take back", "stored: original-store")
)

func TestTheWayOfAJob(t *testing.T) {
	testWays(t, []way{
		{name: "the client gets the picture before it is stored", want: whole, kept: true},
		{name: "no client waits", world: func(w *world) { w.gone = true }, want: begun},
		{
			// the download takes this long, in the bubble's time
			name: "the original comes slowly", on: map[string]func(*world){"fetch a.png": func(*world) { time.Sleep(10 * time.Second) }},
			want: events(read, append([]string{"fetching"}, whole[len(read):]...)...), kept: true,
		},
		{name: "the edge cannot be reached", world: func(w *world) { w.broken["rendered"], w.broken["stored"] = true, true }, want: whole, kept: true},
		{
			name: "a picture too large for a message is stored first", kept: true,
			world: func(w *world) { w.renders[0] = draws(strings.Repeat("x", renderjob.MaxInline+1)) },
			want:  events(rendered, "put", "compare", "stored"),
		},
		{
			name: "delivered too often", job: func(d *intake.Delivery) { d.Deliveries = renderjob.MaxDeliveries + 1 },
			want: []string{"failed: lost"},
		},
		{
			name: "begun too late", job: func(d *intake.Delivery) { d.Age = 6 * time.Second },
			want: []string{"failed: no-renderer"},
		},
		{
			name: "late because the first renderer died", kept: true,
			job:  func(d *intake.Delivery) { d.Deliveries, d.Age = 2, 20*time.Second },
			want: events(begun, "look for the thumbnail", "fetch a.png", "render", "rendered", "put", "compare", "stored"),
		},
		{name: "after its deadline", job: func(d *intake.Delivery) { d.Age = time.Minute }},
	})
}

func TestASecondDelivery(t *testing.T) {
	second := func(d *intake.Delivery) { d.Deliveries = 2 }
	digest := delivery().Job.Spec.Digest()
	looked := events(begun, "look for the thumbnail")
	anew := events(looked, whole[1:]...)
	keep := func(m objectstore.Meta) func(*world) { return func(w *world) { w.kept["k"] = m } }
	testWays(t, []way{
		{name: "finds the first one's work", job: second, world: keep(objectstore.Meta{SpecDigest: digest, OriginalVersion: "v1"}), want: events(looked, "stored"), kept: true},
		{name: "finds another original's thumbnail", job: second, world: keep(objectstore.Meta{SpecDigest: digest, OriginalVersion: "v0"}), want: anew, kept: true},
		{name: "finds another spec's thumbnail", job: second, world: keep(objectstore.Meta{SpecDigest: "other", OriginalVersion: "v1"}), want: anew, kept: true},
		{name: "the store fails", job: second, world: func(w *world) { w.broken["look for the thumbnail"] = true }, want: anew, kept: true},
	})
}

func TestOriginals(t *testing.T) {
	testWays(t, []way{
		{name: "absent", world: func(w *world) { w.remove("a.png") }, want: events(read, "failed: absent")},
		{name: "empty", world: func(w *world) { w.set("a.png", file{}) }, want: events(read, "failed: undecodable")},
		{name: "too many bytes", world: func(w *world) { w.set("a.png", file{body: make([]byte, 10_001)}) }, want: events(read, "failed: too-large")},
		{name: "too many pixels", world: func(w *world) { w.set("a.png", file{body: sized(w.t, 20_000)}) }, want: events(read, "failed: too-large")},
		{name: "a store that fails", world: func(w *world) { w.broken["fetch a.png"] = true }, want: events(read, "failed: original-store")},
		{
			name: "long, in the standard lane", world: func(w *world) { w.set("a.png", file{body: sized(w.t, 8000)}) },
			want: events(read, "moved"), handed: intake.ErrLong,
		},
		{
			name: "as large as it is, in the standard lane", world: func(w *world) { w.set("a.png", file{body: sized(w.t, 7000)}) },
			job: func(d *intake.Delivery) { d.Job.Spec.Width, d.Job.Spec.Height, d.Job.Spec.Format = 0, 0, "avif" }, want: events(read, "moved"), handed: intake.ErrSlow,
		},
		{
			name: "as large as it is, in advance", world: func(w *world) { w.set("a.png", file{sized(w.t, 7000), "v1"}) },
			job: func(d *intake.Delivery) {
				d.Job.Lane, d.Job.Spec.Width, d.Job.Spec.Height, d.Job.Spec.Format = renderjob.LaneBulk, 0, 0, "avif"
			}, want: whole, kept: true,
		},
		{
			name: "long, in the expensive lane", world: func(w *world) { w.set("a.png", file{sized(w.t, 8000), "v1"}) },
			job: func(d *intake.Delivery) { d.Job.Lane = renderjob.LaneExpensive }, want: whole, kept: true,
		},
		{
			name: "a PDF without a type", want: events(read, "moved"), handed: intake.ErrLong,
			job:   func(d *intake.Delivery) { d.Job.Spec.Type = thumbnail.TypeUnknown },
			world: func(w *world) { w.set("a.png", file{body: []byte("%PDF-1.4\n")}) },
		},
	})
}

func TestOverlays(t *testing.T) {
	names := func(d *intake.Delivery) {
		picture := at("mark.png")
		d.Job.Spec.Operations = []thumbnail.Operation{{Name: "watermark", Picture: &picture}}
	}
	overlay := func(f file) func(*world) { return func(w *world) { w.set("mark.png", f) } }
	asked := events(read, "fetch mark.png")
	testWays(t, []way{
		{name: "drawn beside the original", job: names, world: func(w *world) { overlay(file{body: disc(w.t)})(w) }, want: events(asked, whole[2:]...), kept: true},
		{name: "missing", job: names, want: events(asked, "failed: bad-url")},
		{name: "broken", job: names, world: overlay(file{body: []byte("no picture at all")}), want: events(asked, "failed: bad-url")},
		{name: "too many bytes", job: names, world: overlay(file{body: make([]byte, 10_001)}), want: events(asked, "failed: bad-url")},
		{name: "too many pixels", job: names, world: func(w *world) { overlay(file{body: sized(w.t, 20_000)})(w) }, want: events(asked, "failed: bad-url")},
		{name: "long, in the standard lane", job: names, world: func(w *world) { overlay(file{body: sized(w.t, 8000)})(w) }, want: events(asked, "moved"), handed: intake.ErrLong},
		{name: "a store that fails", job: names, world: func(w *world) { w.broken["fetch mark.png"] = true }, want: events(asked, "failed: original-store")},
	})
}

func TestWorkersThatDie(t *testing.T) {
	dies := fails(worker.ErrDied)
	twice := events(rendered, "render carefully")
	testWays(t, []way{
		{
			name: "once", want: events(twice, whole[3:]...), kept: true,
			world: func(w *world) { w.renders = []func() (engine.Result, error){dies, draws("picture")} },
		},
		{name: "three times", world: func(w *world) { w.renders[0] = dies }, want: events(twice, "render carefully", "failed: worker-killed")},
		{
			name: "as the deadline passes", world: func(w *world) { w.renders[0] = dies }, want: events(rendered, "failed: deadline"),
			on: map[string]func(*world){"render": wait(61 * time.Second)},
		},
		{
			name: "an original that is broken", want: events(rendered, "failed: undecodable"),
			world: func(w *world) { w.renders[0] = fails(fault.New(fault.Undecodable, "no picture")) },
		},
	})
}

// wait returns an action that lets time of the test's bubble pass.
func wait(d time.Duration) func(*world) { return func(*world) { time.Sleep(d) } }

func TestTheDeadlinePasses(t *testing.T) {
	over := wait(61 * time.Second)
	testWays(t, []way{
		{name: "while the edge is asked", on: map[string]func(*world){"started": over}, want: events(begun, "failed: original-store")},
		{name: "while the original is fetched", on: map[string]func(*world){"fetch a.png": over}, want: events(read, "fetching", "failed: original-store")},
		{
			name: "while the job waits for a slot", world: occupy, busy: 1,
			job:  func(d *intake.Delivery) { d.Deliveries, d.Age = 2, 57*time.Second },
			want: events(begun, "look for the thumbnail", "fetch a.png", "failed: deadline"),
		},
		{name: "during the render", on: map[string]func(*world){"render": over}, want: events(rendered, "failed: deadline")},
		{name: "after the render, and the picture is still stored", on: map[string]func(*world){"rendered": over}, want: whole, kept: true},
		{name: "during the put", on: map[string]func(*world){"put": over}, want: events(replied, "put", "stored: thumbnail-store")},
	})
}

func TestJobsForOtherRenderers(t *testing.T) {
	drain := func(w *world) { close(w.drain) }
	atOnce := func(d *intake.Delivery) { d.Begun = true }
	later := func(act func(*world)) func(*world) {
		return func(w *world) { occupy(w); time.AfterFunc(time.Second, func() { act(w) }) }
	}
	testWays(t, []way{
		{name: "a drain before the job begins", world: drain, want: read, handed: intake.ErrNotBegun},
		{name: "a drain while the job waits for a slot", world: later(drain), want: read, handed: intake.ErrNotBegun, busy: 1},
		{name: "no slot within deadline.Slot", world: occupy, want: read, handed: intake.ErrNotBegun, busy: 1},
		{name: "a slot within deadline.Slot", world: later(func(w *world) { w.pipeline.slots.release() }), want: whole, kept: true},
		{name: "a drain during the render, which goes on", on: map[string]func(*world){"render": drain}, want: whole, kept: true},
		{name: "a job that begins at once, whose edge is not asked", job: atOnce, world: func(w *world) { w.gone = true }, want: whole, kept: true},
		{name: "a job that begins at once goes back to its edge", job: atOnce, world: drain, want: events(read, "busy")},
		{name: "the renderer stops during the job", on: map[string]func(*world){"render": func(w *world) { w.stop() }}, want: rendered, handed: errUnfinished},
	})
}

// A slow original gets a second try beside the slots, and only then fails.
func TestASlowOriginalHoldsNoSlot(t *testing.T) {
	overruns := fails(fault.New(fault.Overran, "too long"))
	drawing := func(d *intake.Delivery) { d.Job.Lane, d.Job.Spec.Type = renderjob.LaneExpensive, thumbnail.TypeSVG }
	again := func(d *intake.Delivery) {
		drawing(d)
		d.Job.Lane, d.Job.Slow, d.Job.StartWithinMS, d.Age = renderjob.LaneBulk, true, 50_000, 20*time.Second
	}
	set := func(w *world) {
		w.set("a.png", file{[]byte(`<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>`), "v1"})
	}
	slow := func(w *world) { set(w); w.renders[0] = overruns }
	testWays(t, []way{
		{name: "an SVG's first try", job: drawing, world: slow, want: events(rendered, "moved"), handed: intake.ErrSlow},
		{name: "its second try", job: again, world: func(w *world) { set(w); occupy(w) }, busy: 1, want: whole, kept: true},
		{name: "its second try overruns", job: again, world: slow, want: events(rendered, "failed: overran")},
		{
			name: "behind another slow job", job: again, want: read, handed: intake.ErrNotBegun,
			world: func(w *world) {
				set(w)
				if err := w.pipeline.slow.acquire(w.t.Context(), nil); err != nil {
					w.t.Fatal(err)
				}
			},
		},
		{
			name: "an SVG whose client soon leaves", world: slow, want: events(rendered, "failed: overran"),
			job: func(d *intake.Delivery) { drawing(d); d.Job.DeadlineMS = 4000 },
		},
		{name: "a photo", world: func(w *world) { w.renders[0] = overruns }, want: events(rendered, "failed: overran")},
		{
			name: "a limit below the first try's", world: slow, want: events(rendered, "failed: overran"),
			job: func(d *intake.Delivery) { drawing(d); d.Job.RenderLimitMS = 2000 },
		},
	})
}

// occupy takes the only slot, like the render of another job.
func occupy(w *world) {
	if err := w.pipeline.slots.acquire(w.t.Context(), nil); err != nil {
		w.t.Fatal(err)
	}
}

func TestTheThumbnailIsTakenBack(t *testing.T) {
	purge := (*world).purge
	newer := func(w *world) { w.set("a.png", file{body: []byte("another"), version: "v2"}) }
	testWays(t, []way{
		{name: "a purge during the render", on: map[string]func(*world){"render": purge}, want: events(replied, "stored: original-store")},
		{name: "a purge between reply and put", on: map[string]func(*world){"rendered": purge}, want: events(replied, "stored: original-store")},
		{name: "a purge during the put", on: map[string]func(*world){"put": purge}, want: tookBack},
		{name: "a purge after the put", on: map[string]func(*world){"compare": purge}, want: tookBack},
		{name: "a purge after the job", on: map[string]func(*world){"stored": purge}, want: whole, kept: true},
		{name: "a purge of another original", on: map[string]func(*world){"put": func(w *world) { w.pipeline.Forget(at("b.png")) }}, want: whole, kept: true},
		{name: "the original changes during the render", on: map[string]func(*world){"render": newer}, want: tookBack},
		{name: "the original changes during the put", on: map[string]func(*world){"put": newer}, want: tookBack},
		{name: "the original is deleted during the put", on: map[string]func(*world){"put": func(w *world) { w.remove("a.png") }}, want: tookBack},
		{name: "the originals' store fails after the put", world: func(w *world) { w.broken["compare"] = true }, want: whole, kept: true},
		{
			name: "an original of an unknown version", want: whole, kept: true,
			world: func(w *world) { w.set("a.png", file{body: disc(w.t)}) }, on: map[string]func(*world){"put": newer},
		},
		{name: "the delete fails", on: map[string]func(*world){"put": newer}, world: func(w *world) { w.broken["delete"] = true }, want: tookBack, kept: true},
		{name: "edges cannot be reached", on: map[string]func(*world){"put": newer}, world: func(w *world) { w.broken["take back"] = true }, want: tookBack},
		{name: "the put fails after the reply", world: func(w *world) { w.broken["put"] = true }, want: events(replied, "put", "stored: thumbnail-store")},
	})
}

// Edges hear the same properties of a thumbnail as the store keeps.
func TestRepliesAndStoredMetadata(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		d := delivery()
		d.Age, d.Job.XKey, d.Job.Disposition = time.Second, "x", "inline"
		if err := w.process(d); err != nil {
			t.Fatal(err)
		}
		told, kept := w.replies[1], w.kept["k"]
		if string(told.Image) != "picture" || w.replies[2].Image != nil || told.Renderer != "r" || told.QueuedMS != 1000 {
			t.Errorf("told %+v, then %+v", told, w.replies[2])
		}
		if kept.ETag != told.ETag || kept.OriginalVersion != "v1" || kept.SpecDigest != d.Job.Spec.Digest() || kept.XKey != "x" || kept.Disposition != "inline" || kept.Spec == "" {
			t.Errorf("kept %+v", kept)
		}
		if got := w.outcomes(); got["ok"] != 1 || len(got) != 1 {
			t.Errorf("counted %v", got)
		}
	})
}

func TestALongSpecIsKeptAsItsDigestAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		d := delivery()
		d.Job.Spec.Lang = strings.Repeat("l", objectstore.MaxSpec)
		if err := w.process(d); err != nil || w.kept["k"].Spec != "" || w.kept["k"].SpecDigest != d.Job.Spec.Digest() {
			t.Errorf("kept %+v, %v", w.kept["k"], err)
		}
	})
}

// A failure is counted by its fault. The reply has the version of the programs that draw the type, so that
// the failure memory tries again after an update.
func TestFailuresAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.remove("a.png")
		if err := w.process(delivery()); err != nil {
			t.Fatal(err)
		}
		told, want := w.replies[1], fmt.Sprintf("libvips-8.1-libpng-1.6-rules-%d", thumbnail.RulesVersion)
		if got := w.outcomes(); got["absent"] != 1 || told.EngineVersion != "engine-1" || told.TypeVersion != want {
			t.Errorf("counted %v, told %+v", got, told)
		}
	})
}

// A job's bound of pixels counts; 0 means no bound.
func TestARenderIsBounded(t *testing.T) {
	j := &job{job: renderjob.Job{}}
	if j.maxPixels() != math.MaxInt64 {
		t.Error("a job without a bound has one")
	}
	j.job.MaxThumbnailPixels = 7
	if j.maxPixels() != 7 {
		t.Error("a job's bound is not used")
	}
}

func TestJobsAreListedByTheirAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		older := delivery()
		older.Job.ID, older.Arrived = "older", time.Now().Add(-time.Second)
		w.pipeline.running.add(w.pipeline.newJob(older))
		var listed []Job
		w.on["render"] = func(w *world) { listed = w.pipeline.Jobs() }
		if err := w.process(delivery()); err != nil {
			t.Fatal(err)
		}
		if len(listed) != 2 || listed[0].ID != "older" || listed[0].InHand != "1s" || listed[1].Step != "render" || listed[1].Original != at("a.png") {
			t.Errorf("listed %+v", listed)
		}
	})
}

func TestUtilisationIsTheShareSinceTheLastCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(2)
		if s.share() != 0 {
			t.Error("unused slots have a share of use")
		}
		for _, want := range []float64{0.25, 0} {
			if want > 0 {
				if err := s.acquire(t.Context(), nil); err != nil || s.busy() != 1 {
					t.Fatalf("%d busy, %v", s.busy(), err)
				}
				time.Sleep(time.Second)
				s.release()
			}
			time.Sleep(time.Second)
			if got := s.share(); got != want {
				t.Errorf("%v of the time, want %v", got, want)
			}
		}
	})
}

// Slow renders count by themselves, and not as busy slots.
func TestSlowRendersAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		d := delivery()
		d.Job.Lane, d.Job.Slow = renderjob.LaneBulk, true
		w.on["render"] = func(*world) {
			if w.pipeline.Busy() != 0 || w.gauge("thumbmill_renderer_slow_renders") != 1 || w.gauge("thumbmill_renderer_slots_busy") != 0 {
				t.Errorf("%d slots are busy, and %v slow renders run", w.pipeline.Busy(), w.gauge("thumbmill_renderer_slow_renders"))
			}
			time.Sleep(3 * time.Second)
		}
		w.pipeline.Beside()
		w.pipeline.Utilisation()
		if err := w.process(d); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if beside, share := w.pipeline.Beside(), w.pipeline.Utilisation(); beside != 0.75 || share != 0 {
			t.Errorf("%v slow renders and a share of %v of the slots, want 0.75 and 0", beside, share)
		}
	})
}

// A thumbnail whose sides follow from the original's is refused once they are known, with a size that works, instead of
// ending at its limit. Its siblings of other sizes are released, and a costly sibling holds nobody up.
func TestCostlyThumbnailsAreRefused(t *testing.T) {
	costly := func(d *renderjob.Job) {
		d.Spec.Width, d.Spec.Format, d.Spec.Quality, d.Spec.MaxBytes = 6000, "webp", 100, 1000
	}
	w := newWorld(t)
	w.files["a.png"] = file{sized(t, 6000), "v1"}
	d := delivery()
	costly(&d.Job)
	if err := w.process(d); err != nil {
		t.Fatal(err)
	}
	last := w.replies[len(w.replies)-1]
	if !fault.Is(last.Fault, fault.BadURL) || slices.Contains(w.events, "render") {
		t.Fatalf("%+v after %v", last.Fault, w.events)
	}
	var width, height int
	_, works, _ := strings.Cut(last.Fault.Message, "ask for at most ")
	if n, _ := fmt.Sscanf(works, "%d × %d", &width, &height); n != 2 || width < 1000 || width >= 6000 {
		t.Fatalf("no size that works in %q", last.Fault.Message)
	}
	d.Job.Spec.Width = width
	if err := w.process(d); !errors.Is(err, intake.ErrSlow) {
		t.Errorf("%d pixels wide, in the standard lane: %v", width, err)
	}
	d.Job.Lane, d.Job.Slow = renderjob.LaneBulk, true
	if err := w.process(d); err != nil || w.replies[len(w.replies)-1].State != renderjob.StateStored {
		t.Errorf("%d pixels wide: %v, %+v", width, err, w.replies[len(w.replies)-1])
	}
}
