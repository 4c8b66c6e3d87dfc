package originals

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// late is a store whose first answer is of before a file is uploaded, and comes after the upload.
type late struct {
	objectstore.Store
	later           atomic.Bool
	asked, uploaded chan struct{}
}

func (l *late) Head(context.Context, thumbnail.Location) (objectstore.Info, error) {
	if l.later.Swap(true) {
		return objectstore.Info{Version: "1"}, nil
	}
	close(l.asked)
	<-l.uploaded
	return objectstore.Info{}, objectstore.ErrNotFound
}

// A file is found at once after its upload, even if the store's earlier answer comes after the purge.
func TestAnAnswerFromBeforeAPurge(t *testing.T) {
	at := thumbnail.Location{Path: "a"}
	for name, forget := range map[string]func(*Heads){
		"of the original": func(h *Heads) { h.Forget(at) },
		"of all":          func(h *Heads) { h.ForgetAll() },
	} {
		store := &late{asked: make(chan struct{}), uploaded: make(chan struct{})}
		h, err := New(store)
		if err != nil {
			t.Fatal(err)
		}
		before := make(chan error)
		go func() {
			_, err := h.Head(t.Context(), at)
			before <- err
		}()
		<-store.asked
		forget(h)
		close(store.uploaded)
		if err := <-before; !fault.Is(err, fault.Absent) {
			t.Errorf("a purge %s: before it, %v", name, err)
		}
		if info, err := h.Head(t.Context(), at); err != nil || info.Version != "1" {
			t.Errorf("a purge %s: after it, %v", name, err)
		}
		h.Close()
	}
}
