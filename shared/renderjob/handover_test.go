package renderjob

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

func TestHandOverRoundTrip(t *testing.T) {
	for _, receipt := range []string{"$JS.ACK.RENDER.renderers-standard.1.2.3.4.0", ""} {
		h := HandOver{Job: Job{ID: "j", Lane: LaneStandard, Trace: "00-a-b-01"}, Deliveries: 1, Age: 1500 * time.Millisecond, Receipt: receipt, AtOnce: receipt == ""}
		m, err := h.Message("r")
		if err != nil || m.Subject != "render.handover.r" {
			t.Fatal(m, err)
		}
		got, err := ReadHandOver(m)
		if err != nil || got.Job.ID != "j" || got.Job.Trace != h.Job.Trace || got.Deliveries != 1 || got.Age != h.Age || got.Receipt != h.Receipt || got.AtOnce != h.AtOnce {
			t.Errorf("%+v, %v", got, err)
		}
	}
}

// The renderer publishes to a receipt: it must be an acknowledgement of the job stream.
func TestHandOversThatAreRefused(t *testing.T) {
	good := HandOver{Job: Job{ID: "j", Lane: LaneStandard}, Deliveries: 1, Age: time.Second, Receipt: "$JS.ACK.RENDER.renderers-standard.1.2.3.4.0"}
	for name, change := range map[string]func(*nats.Msg){
		"another subject for a receipt": func(m *nats.Msg) { m.Header.Set(receiptHeader, "$JS.API.STREAM.PURGE.RENDER") },
		"no deliveries":                 func(m *nats.Msg) { m.Header.Set(deliveriesHeader, "0") },
		"an age below nothing":          func(m *nats.Msg) { m.Header.Set(ageHeader, "-1s") },
		"no age":                        func(m *nats.Msg) { m.Header.Del(ageHeader) },
		"no job":                        func(m *nats.Msg) { m.Data = []byte("{") },
		"a newer job":                   func(m *nats.Msg) { m.Data = []byte(`{"version":99}`) },
	} {
		m, err := good.Message("r")
		if err != nil {
			t.Fatal(err)
		}
		change(m)
		if _, err := ReadHandOver(m); err == nil {
			t.Errorf("%s: the message was accepted", name)
		}
	}
}
