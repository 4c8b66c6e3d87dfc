package service

import (
	"context"
	"errors"
	"slices"
	"testing"
)

var errBroken = errors.New("broken")

// noted is a part that notes its starts and stops.
type noted struct {
	name  string
	notes *[]string
	err   error // of Start
}

func (n noted) Start(context.Context) error {
	*n.notes = append(*n.notes, "start "+n.name)
	return n.err
}

func (n noted) Stop(ctx context.Context) error {
	*n.notes = append(*n.notes, "stop "+n.name)
	return ctx.Err()
}

func TestPartsStartInOrderAndStopInTheOpposite(t *testing.T) {
	var notes []string
	made := func() (Part, error) {
		notes = append(notes, "make c")
		return noted{"c", &notes, nil}, nil
	}
	parts := Parts{noted{"a", &notes, nil}, Stopper(noted{"b", &notes, nil}.Stop), Lazy(made)}
	if err := errors.Join(parts.Start(t.Context()), parts.Stop(t.Context())); err != nil {
		t.Error(err)
	}
	if want := []string{"start a", "make c", "start c", "stop c", "stop b", "stop a"}; !slices.Equal(notes, want) {
		t.Errorf("%q", notes)
	}
}

// If a part fails, the parts before it are stopped and no further part is started. Stop has its full
// time, even after the end of the time to start.
func TestPartsThatStartedAreStoppedWhenOneFails(t *testing.T) {
	for name, c := range map[string]struct {
		fails func(*[]string, context.CancelFunc) Part
		want  error
	}{
		"the part does not start": {func(notes *[]string, _ context.CancelFunc) Part { return noted{"b", notes, errBroken} }, errBroken},
		"the part cannot be made": {func(*[]string, context.CancelFunc) Part { return Lazy(func() (Part, error) { return nil, errBroken }) }, errBroken},
		"the time is over": {func(notes *[]string, cancel context.CancelFunc) Part {
			return Lazy(func() (Part, error) { cancel(); return noted{"b", notes, nil}, nil })
		}, context.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			var notes []string
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			stopped := Stopper(func(ctx context.Context) error {
				notes = append(notes, "stop a")
				if ctx.Err() != nil {
					t.Error("the part has no time to stop")
				}
				return nil
			})
			err := Parts{stopped, c.fails(&notes, cancel), noted{"c", &notes, nil}}.Start(ctx)
			if !errors.Is(err, c.want) || slices.Contains(notes, "start c") || !slices.Contains(notes, "stop a") {
				t.Errorf("%v after %q", err, notes)
			}
		})
	}
}

func TestWhatIsOnlyClosedIsClosedOnce(t *testing.T) {
	n := 0
	for name, part := range map[string]Part{
		"Stopper":  Stopper(func(context.Context) error { n++; return errBroken }),
		"Closer":   Closer(func() error { n++; return errBroken }),
		"Deferred": Deferred(func() { n++ }),
	} {
		n = 0
		if err := part.Start(t.Context()); err != nil || n != 0 {
			t.Errorf("%s: %d calls and %v at the start", name, n, err)
		}
		first, second := part.Stop(t.Context()), part.Stop(t.Context())
		if n != 1 || (first == nil) != (name == "Deferred") || second != nil {
			t.Errorf("%s: %d calls, %v, %v", name, n, first, second)
		}
	}
}
