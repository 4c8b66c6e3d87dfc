package edge

import (
	"runtime"
	"testing"
)

func TestTheBallastFollowsCollections(t *testing.T) {
	var b ballast
	var total uint64
	second := func(collections uint64) bool {
		total += collections
		b.weigh(total)
		return b.memory != nil
	}
	if second(often - 1) {
		t.Error("a ballast for few collections")
	}
	if !second(often) {
		t.Error("no ballast for many collections")
	}
	for range calm - 1 {
		second(seldom)
	}
	if !second(seldom+1) || !second(seldom) {
		t.Error("the ballast went before it was calm for long")
	}
	for range calm {
		second(0)
	}
	if b.memory != nil {
		t.Error("the ballast stays although collections are rare")
	}
}

func TestCollectionsAreCounted(t *testing.T) {
	before := collections()
	runtime.GC()
	if after := collections(); after <= before {
		t.Errorf("%d after %d", after, before)
	}
}
