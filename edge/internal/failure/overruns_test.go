package failure

import (
	"fmt"
	"testing"
	"time"

	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// An original that overruns at several large sizes fails at all sizes that are as large, in this format.
func TestOverrunsAtSeveralSizes(t *testing.T) {
	m := New(local(t), settings.Failure{Max: 3, Duration: time.Hour, Prefix: "p-"})
	at := func(width int, f thumbnail.Format) (thumbnail.Spec, thumbnail.Location) {
		return thumbnail.Spec{Original: thumbnail.Location{Path: "a.jpg"}, Width: width, Format: f}, thumbnail.Location{Path: fmt.Sprint(width, f)}
	}
	refused := func(width int, f thumbnail.Format) bool {
		s, key := at(width, f)
		return fault.Is(m.Check(t.Context(), s, key, []string{"e"}), fault.Failing)
	}
	for width := 6000; width < 6003; width++ {
		if refused(7000, "webp") {
			t.Error("refused too early")
		}
		s, key := at(width, "webp")
		must(t, m.Record(t.Context(), fault.New(fault.Overran, "slow"), s, key, "e"))
	}
	if !refused(7000, "webp") || !refused(6000, "webp") {
		t.Error("a large size is not refused after overruns at three sizes")
	}
	if refused(3000, "webp") || refused(7000, "jpg") {
		t.Error("a small size, or another format, is refused")
	}
	if _, err := m.Clear(t.Context(), "a.jpg"); err != nil || refused(7000, "webp") {
		t.Errorf("refused after a clear: %v", err)
	}
}

// A storyboard that overruns fails by itself: a single frame of the video is quick.
func TestAStoryboardOverruns(t *testing.T) {
	m := New(local(t), settings.Failure{Max: 3, Duration: time.Hour, Prefix: "p-"})
	still := thumbnail.Spec{Original: thumbnail.Location{Path: "a.webm"}, Width: 100, Format: "jpg"}
	board := still
	board.Storyboard = &thumbnail.Storyboard{Columns: 5, Rows: 5}
	key := thumbnail.Location{Path: "board"}
	for range 3 {
		must(t, m.Record(t.Context(), fault.New(fault.Overran, "slow"), board, key, "e"))
	}
	if !fault.Is(m.Check(t.Context(), board, key, []string{"e"}), fault.Failing) {
		t.Error("the storyboard is tried again")
	}
	if err := m.Check(t.Context(), still, thumbnail.Location{Path: "still"}, []string{"e"}); err != nil {
		t.Errorf("a frame is refused: %v", err)
	}
}
