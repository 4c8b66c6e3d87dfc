package flight

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/thumbmill/thumbmill/shared/fault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errRefused = errors.New("refused")

// ask joins the flight in the background, and sends the answer or the error to the channel.
func ask(ctx context.Context, g *Group[string], client string, lead Lead[string]) <-chan string {
	answer := make(chan string, 1)
	go func() {
		value, err := g.Do(ctx, "k", client, lead)
		if err != nil {
			value = err.Error()
		}
		answer <- value
	}()
	synctest.Wait()
	return answer
}

func stopped(t *testing.T, g *Group[string]) {
	t.Helper()
	if err := g.Stop(context.Background()); err != nil {
		t.Error(err)
	}
	if flights, waiters := g.Counts(); flights != 0 || waiters != 0 || len(g.perClient) != 0 {
		t.Errorf("%d flights, %d waiters, clients %v are left", flights, waiters, g.perClient)
	}
}

func TestOneLeadsAndAllGetTheAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New[string](10, 10)
		leads := 0
		lead := func(ctx context.Context, f *Flight[string], client string) error {
			leads++
			time.Sleep(time.Second)
			f.Answer("picture for "+client, nil)
			time.Sleep(time.Second) // like the storing of the thumbnail
			return nil
		}
		a, b := ask(t.Context(), g, "a", lead), ask(t.Context(), g, "b", lead)
		time.Sleep(1500 * time.Millisecond)
		late := ask(t.Context(), g, "c", lead)
		for _, answer := range []<-chan string{a, b, late} {
			if got := <-answer; got != "picture for a" {
				t.Errorf("got %q", got)
			}
		}
		stopped(t, g)
		if leads != 1 {
			t.Errorf("%d clients led, want 1", leads)
		}
	})
}

func TestTheNextClientLeadsAfterARefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New[string](10, 10)
		var order []string
		lead := func(_ context.Context, f *Flight[string], client string) error {
			order = append(order, client)
			time.Sleep(time.Second)
			if client != "c" {
				return errRefused
			}
			f.Answer("picture", nil)
			return nil
		}
		var answers []<-chan string
		for _, client := range []string{"a", "b", "a", "c"} {
			answers = append(answers, ask(t.Context(), g, client, lead))
		}
		for i, want := range []string{"refused", "refused", "refused", "picture"} {
			if got := <-answers[i]; got != want {
				t.Errorf("waiter %d got %q, want %q", i, got, want)
			}
		}
		stopped(t, g)
		if fmt.Sprint(order) != "[a b c]" {
			t.Errorf("clients led in the order %v", order)
		}
	})
}

// A leader that leaves before its flight is admitted lets the next client lead, also when it has come back meanwhile.
func TestALeaderLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New[string](10, 10)
		var order []string
		lead := func(_ context.Context, f *Flight[string], client string) error {
			order = append(order, client)
			select {
			case <-f.Deserted():
				time.Sleep(time.Second) // like an admission that ends
				return ErrDeserted
			case <-time.After(time.Minute):
				f.Answer("picture", nil)
				return nil
			}
		}
		first, leave := context.WithCancel(t.Context())
		ask(first, g, "a", lead)
		other := ask(t.Context(), g, "a", lead)
		b := ask(t.Context(), g, "b", lead)
		leave()
		synctest.Wait()
		if fmt.Sprint(order) != "[a]" {
			t.Errorf("clients led in the order %v while the first still waits", order)
		}
		if got := [2]string{<-other, <-b}; got != [2]string{"picture", "picture"} {
			t.Errorf("got %q", got)
		}
		stopped(t, g)

		g, order = New[string](10, 10), nil
		first, leave = context.WithCancel(t.Context())
		ask(first, g, "a", lead)
		b = ask(t.Context(), g, "b", lead)
		leave()
		synctest.Wait()
		again := ask(t.Context(), g, "a", lead)
		if got := [2]string{<-b, <-again}; got != [2]string{"picture", "picture"} || fmt.Sprint(order) != "[a b]" {
			t.Errorf("got %q; clients led in the order %v", got, order)
		}
		stopped(t, g)
	})
}

func TestTheLastToLeaveAbandonsTheFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New[string](10, 10)
		abandoned := 0
		lead := func(_ context.Context, f *Flight[string], _ string) error {
			select {
			case <-f.Abandoned():
				abandoned++
				time.Sleep(time.Second) // like the recall of a job
				f.Answer("", errors.New("too late for anybody"))
			case <-time.After(time.Minute):
				f.Answer("picture", nil)
			}
			return nil
		}
		one, leaveOne := context.WithCancel(t.Context())
		two, leaveTwo := context.WithCancel(t.Context())
		ask(one, g, "a", lead)
		ask(two, g, "b", lead)
		leaveOne()
		synctest.Wait()
		if abandoned != 0 {
			t.Error("the flight is abandoned while a request waits")
		}
		leaveTwo()
		synctest.Wait()
		if abandoned != 1 {
			t.Error("the flight is not abandoned")
		}
		// A request that comes now starts another flight.
		if got := <-ask(t.Context(), g, "c", lead); got != "picture" {
			t.Errorf("got %q", got)
		}
		stopped(t, g)
	})
}

func TestBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New[string](3, 2)
		lead := func(_ context.Context, f *Flight[string], _ string) error {
			time.Sleep(time.Second)
			f.Answer("picture", nil)
			return nil
		}
		var answers []<-chan string
		for _, client := range []string{"a", "a", "b"} {
			answers = append(answers, ask(t.Context(), g, client, lead))
		}
		if _, err := g.Do(t.Context(), "k", "c", lead); !fault.Is(err, fault.Unavailable) {
			t.Errorf("the fourth waiter of three: %v", err)
		}
		for _, answer := range answers {
			<-answer
		}
		stopped(t, g)
		if _, err := g.Do(t.Context(), "k", "a", lead); !fault.Is(err, fault.Unavailable) {
			t.Errorf("after Stop: %v", err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		g := New[string](9, 1)
		lead := func(_ context.Context, f *Flight[string], _ string) error {
			time.Sleep(time.Second)
			f.Answer("picture", nil)
			return nil
		}
		first := ask(t.Context(), g, "a", lead)
		if _, err := g.Do(t.Context(), "other", "a", lead); !fault.Is(err, fault.Throttled) {
			t.Errorf("the client's second waiter of one: %v", err)
		}
		<-first
		stopped(t, g)
	})
}

func TestALeaderWithoutAnAnswerIsAnError(t *testing.T) {
	g := New[string](9, 9)
	_, err := g.Do(t.Context(), "k", "a", func(context.Context, *Flight[string], string) error { return nil })
	if err == nil {
		t.Error("no error")
	}
	stopped(t, g)
}
