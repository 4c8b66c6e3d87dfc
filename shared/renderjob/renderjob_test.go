package renderjob

import (
	"reflect"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/thumbmill/thumbmill/shared/fault"
)

func TestResultSurvivesTheWire(t *testing.T) {
	sent := Result{
		Version: Version, JobID: "j", State: StateRendered, Image: []byte("\x00\xff image"), Format: "png", Width: 3,
		Fault: fault.New(fault.Overran, "späte\nSätze"),
	}
	m, err := sent.Message("edge-1")
	if err != nil {
		t.Fatal(err)
	}
	got, err := ReadResult(m)
	if err != nil || m.Subject != "render.result.edge-1" || !reflect.DeepEqual(got, sent) {
		t.Errorf("got %+v on %s, %v", got, m.Subject, err)
	}
}

func TestStrangeResultsAreRefused(t *testing.T) {
	newer, _ := Result{Version: Version + 1}.Message("e")
	for name, m := range map[string]*nats.Msg{"empty": {}, "newer": newer, "garbage": {Header: nats.Header{resultHeader: {"{"}}}} {
		if _, err := ReadResult(m); err == nil {
			t.Errorf("%s: the message was accepted", name)
		}
	}
}
