package obtain

import (
	"fmt"
	"testing"

	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

func TestNear(t *testing.T) {
	var n near
	a := thumbnail.Location{Path: "a"}
	n.note(a, renderjob.Result{Renderer: "r1"}) // rendered from a bucket, without a read
	if n.of(a) != "" {
		t.Error("a renderer that read nothing is near")
	}
	n.note(a, renderjob.Result{Renderer: "r1", FetchMS: 1})
	n.note(a, renderjob.Result{Renderer: "r2", FetchMS: 1})
	n.note(a, renderjob.Result{Renderer: "r3", FetchMS: 1, Site: "another"})
	if got := n.of(a); got != "r2" {
		t.Errorf("%q, want r2, which read the original last", got)
	}
	for i := range nearBound {
		n.note(thumbnail.Location{Path: fmt.Sprint(i)}, renderjob.Result{Renderer: "r", FetchMS: 1})
	}
	if n.of(a) != "" || len(n.names) != nearBound || len(n.order) != nearBound {
		t.Errorf("%q, %d names, %d keys: want %d without the oldest", n.of(a), len(n.names), len(n.order), nearBound)
	}
}
