package obtain

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/thumbmill/thumbmill/edge/internal/admission"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/throttle"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// Each case is an event on the way of one request.
func TestTheWayOfARequest(t *testing.T) {
	unwell := func(w *world) { w.broken = errBroken }
	refusedBy := func(name throttle.Name) func(*world) {
		return func(w *world) {
			w.admit = func(context.Context, admission.Request) (bool, error) {
				return false, throttle.All().Get(name).Refuse(0, throttle.Full)
			}
		}
	}
	for name, c := range map[string]struct {
		change  func(*world)
		do      func(j *job) // called with the published job
		source  Source
		want    fault.Kind
		outcome admission.Outcome // of the lease, if there is one
	}{
		"the thumbnail is stored":                 {change: func(w *world) { w.there[cat("").Target.Key] = true }, source: Hit},
		"the store of thumbnails does not answer": {change: unwell, want: fault.ThumbStore},
		"the original is absent": {
			change: func(w *world) {
				w.head = func(thumbnail.Location) (objectstore.Info, error) {
					return objectstore.Info{}, fault.New(fault.Absent, "no")
				}
			}, want: fault.Absent,
		},
		"the original failed too often": {
			change: func(w *world) {
				w.failing = throttle.All().Get(throttle.Failure).Refuse(0, throttle.Failed, 4, time.Hour)
			}, want: fault.Failing,
		},
		"the failure memory does not answer": {
			change: func(w *world) { w.failing = errBroken }, do: (*job).finish, source: Rendered, outcome: admission.Outcome{Stored: true},
		},
		"per-ip refuses the client":             {change: refusedBy(throttle.PerIP), want: fault.Throttled},
		"per-original refuses every client":     {change: refusedBy(throttle.PerOriginal), want: fault.Throttled},
		"the lane is full":                      {change: refusedBy(throttle.Lane), want: fault.LaneFull},
		"no renderer lives":                     {change: func(w *world) { w.gone = time.Hour }, want: fault.NoRenderer, outcome: admission.Outcome{}},
		"the queue refuses the job":             {change: func(w *world) { w.publish = fault.New(fault.Unavailable, "no") }, want: fault.Unavailable, outcome: admission.Outcome{}},
		"the thumbnail is rendered":             {do: (*job).finish, source: Rendered, outcome: admission.Outcome{Stored: true}},
		"no renderer begins":                    {do: func(*job) {}, want: fault.NoRenderer, outcome: admission.Outcome{}},
		"a renderer begins and sends no result": {do: func(j *job) { j.tell(renderjob.StateStarted, nil) }, want: fault.Deadline, outcome: admission.Outcome{}},
		"the thumbnail is too large for a message": {
			do: func(j *job) {
				j.tell(renderjob.StateStarted, nil)
				j.tell(renderjob.StateStored, nil)
			}, source: Rendered, outcome: admission.Outcome{Stored: true},
		},
		"storing fails": {
			do: func(j *job) {
				j.tell(renderjob.StateStarted, nil)
				j.tell(renderjob.StateStored, func(r *renderjob.Result) { r.Fault = fault.New(fault.ThumbStore, "no") })
			}, want: fault.ThumbStore, outcome: admission.Outcome{},
		},
		"storing fails after the answer": {
			do: func(j *job) {
				j.tell(renderjob.StateStarted, nil)
				j.tell(renderjob.StateRendered, nil)
				j.tell(renderjob.StateStored, func(r *renderjob.Result) { r.Fault = fault.New(fault.ThumbStore, "no") })
			}, source: Rendered, outcome: admission.Outcome{},
		},
		"a renderer fails without a fault": {
			do: func(j *job) { j.tell(renderjob.StateFailed, nil) }, want: fault.Internal,
			outcome: admission.Outcome{Fault: fault.New(fault.Internal, "")},
		},
		"the original is damaged": {
			do: func(j *job) {
				j.tell(renderjob.StateFailed, func(r *renderjob.Result) { r.Fault = fault.New(fault.Undecodable, "no") })
			}, want: fault.Undecodable, outcome: admission.Outcome{Fault: fault.New(fault.Undecodable, "")},
		},
		"the result is lost": {
			do: func(j *job) { j.world.store(j.asked.Key) }, source: Rendered, outcome: admission.Outcome{Stored: true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			in(t, c.change, func(t *testing.T, w *world) {
				answers := w.ask(t.Context(), cat("ann"))
				synctest.Wait()
				select {
				case j := <-w.published:
					if name == "the result is lost" {
						j.begun = true
					}
					c.do(j)
				default:
				}
				(<-answers).wants(t, c.source, c.want)
				w.checkLease(t, c.outcome, c.do != nil || w.gone > 0 || w.publish != nil)
			})
		})
	}
}

// checkLease fails unless one lease ended with the outcome want. With granted false, it fails unless
// no lease ended.
func (w *world) checkLease(t *testing.T, want admission.Outcome, granted bool) {
	t.Helper()
	synctest.Wait()
	ends := w.ends()
	if !granted {
		if len(ends) > 0 {
			t.Errorf("leases ended: %+v", ends)
		}
		return
	}
	if len(ends) != 1 || ends[0].Stored != want.Stored || (ends[0].Fault == nil) != (want.Fault == nil) ||
		want.Fault != nil && ends[0].Fault.Kind != want.Fault.Kind {
		t.Errorf("leases ended: %+v, want one of %+v", ends, want)
	}
}

// The edge releases the lease before it answers with a failure, so that the coordinator counts a
// request after the answer by itself.
func TestAFailureIsAnsweredAfterTheRelease(t *testing.T) {
	in(t, nil, func(t *testing.T, w *world) {
		answers := w.ask(t.Context(), cat("ann"))
		(<-w.published).tell(renderjob.StateFailed, func(r *renderjob.Result) { r.Fault = fault.New(fault.Overran, "no") })
		(<-answers).wants(t, "", fault.Overran)
		if len(w.ends()) != 1 || len(w.recorded) != 1 || w.recorded[0] != fault.Overran {
			t.Errorf("released %+v, recorded %v", w.ends(), w.recorded)
		}
		if len(w.checked) != 1 || !slices.Equal(w.checked, w.blamed) {
			t.Errorf("engines checked: %v, recorded: %v; want the same one", w.checked, w.blamed)
		}
	})
}

// An error of the failure memory changes nothing for the client.
func TestAFailureThatCannotBeRemembered(t *testing.T) {
	in(t, func(w *world) { w.unwilling = errBroken }, func(t *testing.T, w *world) {
		answers := w.ask(t.Context(), cat("ann"))
		(<-w.published).tell(renderjob.StateFailed, func(r *renderjob.Result) { r.Fault = fault.New(fault.Undecodable, "no") })
		(<-answers).wants(t, "", fault.Undecodable)
	})
}

// A refusal of one client says nothing about another client of the same flight.
func TestALeaderIsRefusedAndAnotherLeads(t *testing.T) {
	asked := make(chan string)
	change := func(w *world) {
		w.admit = func(_ context.Context, r admission.Request) (bool, error) {
			asked <- r.Flight.Client
			if r.Flight.Client == "ann" {
				return false, throttle.All().Get(throttle.PerIP).Refuse(0, throttle.Full)
			}
			return false, nil
		}
	}
	synctest.Test(t, func(t *testing.T) {
		asked = make(chan string)
		w := newWorld(t, change)
		ann := w.ask(t.Context(), cat("ann"))
		synctest.Wait() // ann leads, and the coordinator is asked
		bob := w.ask(t.Context(), cat("bob"))
		synctest.Wait()
		if first := <-asked; first != "ann" {
			t.Fatalf("%s leads first", first)
		}
		(<-ann).wants(t, "", fault.Throttled)
		if second := <-asked; second != "bob" {
			t.Fatalf("%s leads next", second)
		}
		(<-w.published).finish()
		(<-bob).wants(t, Rendered, "")
	})
}

// A client with too many waiting requests is refused by per-ip, and operators hear of it.
func TestAClientWithManyWaiters(t *testing.T) {
	in(t, func(w *world) { w.settings.Edge.MaxWaitersPerClient = 1 }, func(t *testing.T, w *world) {
		first := w.ask(t.Context(), size(100))
		synctest.Wait()
		(<-w.ask(t.Context(), size(200))).wants(t, "", fault.Throttled)
		(<-w.published).finish()
		(<-first).wants(t, Rendered, "")
		if !slices.Equal(w.refusals, []throttle.Name{throttle.PerIP}) {
			t.Errorf("refusals that are counted: %v", w.refusals)
		}
	})
}

// When another edge rendered the thumbnail, this edge renders nothing and gets no lease.
func TestAnotherEdgeRenders(t *testing.T) {
	change := func(w *world) {
		w.admit = func(context.Context, admission.Request) (bool, error) {
			w.store(cat("").Target.Key)
			return true, nil
		}
	}
	in(t, change, func(t *testing.T, w *world) {
		(<-w.ask(t.Context(), cat("ann"))).wants(t, Shared, "")
		w.checkLease(t, admission.Outcome{}, false)
	})
}

// Another edge stores the thumbnail before the grant. The second look finds the thumbnail, and the
// lease ends with the outcome stored.
func TestALeaseForAStoredThumbnail(t *testing.T) {
	change := func(w *world) {
		w.admit = func(context.Context, admission.Request) (bool, error) {
			w.store(cat("").Target.Key)
			return false, nil
		}
	}
	in(t, change, func(t *testing.T, w *world) {
		(<-w.ask(t.Context(), cat("ann"))).wants(t, Shared, "")
		w.checkLease(t, admission.Outcome{Stored: true}, true)
	})
}

// A flight ends after some rounds when other edges' renders end without a result, and when the store
// loses each thumbnail at once.
func TestRoundsAreBounded(t *testing.T) {
	done := func(w *world) {
		w.admit = func(context.Context, admission.Request) (bool, error) { return true, nil }
	}
	in(t, done, func(t *testing.T, w *world) {
		(<-w.ask(t.Context(), cat("ann"))).wants(t, "", fault.ThumbStore)
		if len(w.admitted) != rounds {
			t.Errorf("asked %d times, want %d", len(w.admitted), rounds)
		}
	})
	in(t, nil, func(t *testing.T, w *world) {
		answers, published := w.ask(t.Context(), cat("ann")), 0
		for {
			select {
			case j := <-w.published:
				published++
				j.results <- renderjob.Result{State: renderjob.StateStored, JobID: j.asked.ID}
				continue
			case a := <-answers:
				a.wants(t, "", fault.ThumbStore)
			}
			if published < 1 || published > rounds {
				t.Errorf("published %d times, want 1 to %d", published, rounds)
			}
			return
		}
	})
}

// An original is purged during a render. The earlier request gets its picture, which no cache may
// keep. A later request does not join the earlier flight.
func TestAPurgeInMidFlight(t *testing.T) {
	in(t, nil, func(t *testing.T, w *world) {
		early := w.ask(t.Context(), cat("ann"))
		first := <-w.published
		w.o.Forget(cat("").Target.Spec.Original)
		late := w.ask(t.Context(), cat("bob"))
		second := <-w.published
		first.tell(renderjob.StateRendered, nil)
		got := <-early
		got.wants(t, Rendered, "")
		if !got.thumb.Passing {
			t.Error("caches may keep a purged thumbnail")
		}
		second.finish()
		got = <-late
		got.wants(t, Rendered, "")
		if got.thumb.Passing {
			t.Error("caches may not keep a thumbnail from after the purge")
		}
		first.tell(renderjob.StateStored, nil)
		w.o.ForgetAll()
	})
}

// A client leaves at each step of the way.
func TestAClientLeaves(t *testing.T) {
	for name, c := range map[string]struct {
		until    func(w *world) *job // waits for the step at which the client leaves
		recalled bool
		stored   bool // the render goes on, and its thumbnail is stored
	}{
		"while the flight waits for places": {until: func(w *world) *job { synctest.Wait(); return nil }},
		"before a renderer begins":          {until: func(w *world) *job { return <-w.published }, recalled: true},
		"while a renderer draws": {until: func(w *world) *job {
			j := <-w.published
			j.tell(renderjob.StateStarted, nil)
			synctest.Wait()
			return j
		}, stored: true},
		"as a renderer begins": {until: func(w *world) *job {
			j := <-w.published
			w.mu.Lock()
			j.begun = true // the result "started" has not arrived yet
			w.mu.Unlock()
			return j
		}, stored: true},
	} {
		t.Run(name, func(t *testing.T) {
			in(t, nil, func(t *testing.T, w *world) {
				if name == "while the flight waits for places" {
					w.admit = func(ctx context.Context, _ admission.Request) (bool, error) { <-ctx.Done(); return false, ctx.Err() }
				}
				ctx, leave := context.WithCancel(t.Context())
				answers := w.ask(ctx, cat("ann"))
				j := c.until(w)
				leave()
				if got := <-answers; got.err == nil {
					t.Error("a client that left got an answer")
				}
				synctest.Wait()
				if c.stored {
					j.tell(renderjob.StateRendered, nil)
					j.tell(renderjob.StateStored, nil)
				}
				w.checkLease(t, admission.Outcome{Stored: c.stored}, j != nil)
				if j != nil && (j.recalled != c.recalled || !j.closed) {
					t.Errorf("recalled %v, closed %v", j.recalled, j.closed)
				}
			})
		})
	}
}

// One of two clients leaves, and the other gets the picture.
func TestOneOfTwoLeaves(t *testing.T) {
	in(t, nil, func(t *testing.T, w *world) {
		ctx, leave := context.WithCancel(t.Context())
		ann, bob := w.ask(ctx, cat("ann")), w.ask(t.Context(), cat("bob"))
		j := <-w.published
		synctest.Wait()
		leave()
		if got := <-ann; got.err == nil {
			t.Error("a client that left got an answer")
		}
		j.finish()
		(<-bob).wants(t, Rendered, "")
	})
}

// After a reconnect to the queue, the flight publishes a job again that the stream lost, and finds a
// thumbnail that was stored meanwhile.
func TestTheQueueComesBack(t *testing.T) {
	in(t, nil, func(t *testing.T, w *world) {
		answers := w.ask(t.Context(), cat("ann"))
		j := <-w.published
		j.restored <- errBroken // an error of Restore does not end the flight
		j.reconnected <- struct{}{}
		synctest.Wait()
		j.restored <- nil
		j.reconnected <- struct{}{}
		synctest.Wait()
		w.store(j.asked.Key)
		j.reconnected <- struct{}{}
		(<-answers).wants(t, Rendered, "")
		w.checkLease(t, admission.Outcome{Stored: true}, true)
	})
}

// Bulk work has its own lane. No client joins its flight, and it gets no other size after a refusal.
func TestBulkWork(t *testing.T) {
	in(t, func(w *world) { w.settings.Edge.Nearest = true }, func(t *testing.T, w *world) {
		bulk := cat("nobody")
		bulk.Bulk = true
		first := w.ask(t.Context(), bulk)
		j := <-w.published
		ann := w.ask(t.Context(), cat("ann"))
		other := <-w.published
		if j.asked.Lane != renderjob.LaneBulk || other.asked.Lane != renderjob.LaneStandard {
			t.Errorf("lanes %s and %s", j.asked.Lane, other.asked.Lane)
		}
		other.finish()
		(<-ann).wants(t, Rendered, "")
		j.tell(renderjob.StateFailed, func(r *renderjob.Result) { r.Fault = fault.New(fault.Overran, "no") })
		(<-first).wants(t, "", fault.Overran)
	})
}

// An original of an expensive type takes places of its pool by the recent processor time of such
// originals, however long their renders waited for a processor, and has the longer time limit.
func TestExpensiveTypes(t *testing.T) {
	in(t, nil, func(t *testing.T, w *world) {
		scan := cat("ann")
		scan.Target.Spec.Type = thumbnail.TypeTIFF
		answers := w.ask(t.Context(), scan)
		j := <-w.published
		j.tell(renderjob.StateStarted, nil)
		j.tell(renderjob.StateRendered, func(r *renderjob.Result) { r.RenderMS, r.CPUMS = 30_000, 3000 })
		j.tell(renderjob.StateStored, nil)
		(<-answers).wants(t, Rendered, "")
		synctest.Wait()
		scan.Target.Key.Path = "cat/200"
		answers = w.ask(t.Context(), scan)
		second := <-w.published
		second.finish()
		(<-answers).wants(t, Rendered, "")
		first, last := w.admitted[0].Flight, w.admitted[1].Flight
		if first.Expensive != thumbnail.TypeTIFF || first.Places != 1 || last.Places != 3 || first.Lane != renderjob.LaneExpensive {
			t.Errorf("%+v, then %+v", first, last)
		}
		if limit := time.Duration(j.asked.RenderLimitMS) * time.Millisecond; limit != w.settings.Renderer.TimeLimitExpensive {
			t.Errorf("time limit %v, want %v", limit, w.settings.Renderer.TimeLimitExpensive)
		}
	})
}

// A refused client gets another size if the store has one.
func TestNearest(t *testing.T) {
	size := func(path string) thumbnail.Location { return thumbnail.Location{Container: "thumbs", Path: path} }
	change := func(w *world) {
		w.settings.Edge.Nearest = true
		w.sizes = []thumbnail.Location{size("cat/50"), size("cat/800"), size("cat/100"), size("cat/200"), size("cat/300x300"), size("cat/x"), size("cat/90")}
		w.admit = func(context.Context, admission.Request) (bool, error) {
			return false, throttle.All().Get(throttle.PerOriginal).Refuse(0, throttle.Full)
		}
	}
	for name, c := range map[string]struct {
		there []string
		want  string // "": the refusal
	}{
		"larger and smaller sizes":    {[]string{"cat/50", "cat/200", "cat/800"}, "cat/200"},
		"only smaller sizes":          {[]string{"cat/50", "cat/90"}, "cat/90"},
		"no sizes":                    {nil, ""},
		"a size of other proportions": {[]string{"cat/300x300"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			in(t, change, func(t *testing.T, w *world) {
				for _, path := range c.there {
					w.store(size(path))
				}
				got := <-w.ask(t.Context(), cat("ann"))
				if c.want == "" {
					got.wants(t, "", fault.Throttled)
					return
				}
				if got.wants(t, Nearest, ""); got.thumb.Key.Path != c.want {
					t.Errorf("got %s, want %s", got.thumb.Key.Path, c.want)
				}
			})
		})
	}
}

// At most nearestAtOnce searches for other sizes run at once, and each has a time limit.
func TestLooksForOtherSizesAreBounded(t *testing.T) {
	in(t, func(w *world) {
		w.settings.Edge.Nearest = true
		w.admit = func(context.Context, admission.Request) (bool, error) {
			return false, throttle.All().Get(throttle.PerOriginal).Refuse(0, throttle.Full)
		}
	}, func(t *testing.T, w *world) {
		w.listing = make(chan struct{})
		var slow []<-chan answer
		for range nearestAtOnce {
			r := cat("ann")
			r.Target.Key.Path += string(rune('a' + len(slow)))
			slow = append(slow, w.ask(t.Context(), r))
		}
		synctest.Wait()
		began := time.Now()
		(<-w.ask(t.Context(), cat("bob"))).wants(t, "", fault.Throttled)
		if time.Since(began) > 0 {
			t.Errorf("more than %d searches ran at once", nearestAtOnce)
		}
		for _, answers := range slow {
			(<-answers).wants(t, "", fault.Throttled)
		}
	})
}

func TestOriginalsAreServedAsTheyAre(t *testing.T) {
	opens := func(size int64, err error) func(*world) {
		return func(w *world) {
			w.open = func() (objectstore.Object, objectstore.Info, error) {
				return newObject("svg"), objectstore.Info{Size: size, Version: `W/"v1"`}, err
			}
		}
	}
	for name, c := range map[string]struct {
		change func(*world)
		want   fault.Kind
	}{
		"an original":         {opens(3, nil), ""},
		"deleted meanwhile":   {opens(3, objectstore.ErrNotFound), fault.Absent},
		"the store is broken": {opens(3, errBroken), fault.OriginalStore},
		"too large":           {opens(1<<40, nil), fault.TooLarge},
		"absent from the start": {func(w *world) {
			w.head = func(thumbnail.Location) (objectstore.Info, error) {
				return objectstore.Info{}, fault.New(fault.Absent, "no")
			}
		}, fault.Absent},
	} {
		t.Run(name, func(t *testing.T) {
			in(t, c.change, func(t *testing.T, w *world) {
				thumb, err := w.o.Original(t.Context(), thumbnail.Location{Path: "a.svg"})
				answer{thumb, err}.wants(t, Original, c.want)
				if c.want == "" && thumb.Meta.ETag != "v1" {
					t.Errorf("ETag %s, want v1", thumb.Meta.ETag)
				}
			})
		})
	}
}

func TestAtHand(t *testing.T) {
	in(t, nil, func(t *testing.T, w *world) {
		if _, ok := w.o.AtHand(t.Context(), cat("ann").Target); ok {
			t.Error("AtHand found a thumbnail before it was stored")
		}
		w.store(cat("").Target.Key)
		if thumb, ok := w.o.AtHand(t.Context(), cat("ann").Target); !ok || thumb.Source != Hit {
			t.Errorf("%+v, %v", thumb, ok)
		}
	})
}

// Server-Timing has the steps of a request, including the renderer's.
func TestServerTiming(t *testing.T) {
	in(t, nil, func(t *testing.T, w *world) {
		answers := w.ask(t.Context(), cat("ann"))
		j := <-w.published
		time.Sleep(1500 * time.Millisecond)
		j.tell(renderjob.StateStarted, nil)
		j.tell(renderjob.StateRendered, func(r *renderjob.Result) { r.QueuedMS, r.FetchMS, r.RenderMS = 1, 2, 3 })
		j.tell(renderjob.StateStored, nil)
		const want = "lookup;dur=0.0, head;dur=0.0, failure;dur=0.0, admit;dur=0.0, publish;dur=0.0, queued;dur=1.0, fetch;dur=2.0, worker;dur=3.0, render;dur=1500.0"
		if got := (<-answers).thumb.Times.ServerTiming(); got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
	})
}
