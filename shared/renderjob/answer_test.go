package renderjob

import (
	"reflect"
	"testing"
)

func TestAnswerSurvivesTheWire(t *testing.T) {
	siblings := []Sibling{{Job: Job{ID: "s", Trace: "00-1-2-01"}, Trace: "00-1-2-01", WaitedMS: 7}}
	for name, c := range map[string]struct {
		sent Answer
		text string // "" = not compared
	}{
		"proceed alone":  {Answer{Word: Proceed}, "proceed"},
		"gone":           {Answer{Word: Gone}, "gone"},
		"with a sibling": {Answer{Word: Proceed, Siblings: siblings}, ""},
	} {
		text, err := c.sent.Text()
		if got := ReadAnswer([]byte(text)); err != nil || !reflect.DeepEqual(got, c.sent) || c.text != "" && text != c.text {
			t.Errorf("%s: got %+v of %q, %v", name, got, text, err)
		}
	}
}

func TestAnUnclearAnswerMeansProceed(t *testing.T) {
	for name, text := range map[string]string{"nothing": "", "garbage": "{", "another word": "later"} {
		if got := ReadAnswer([]byte(text)); got.Word != Proceed || got.Siblings != nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
