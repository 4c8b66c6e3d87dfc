package renderer

import (
	"encoding/json"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/thumbmill/thumbmill/shared/renderjob"
)

// controls passes on the messages in which edges tell this renderer to drain or to describe itself.
type controls struct {
	drain    func(time.Duration)
	describe func()
	log      *slog.Logger
}

// hear reads a control message. It logs messages that it cannot read; JetStream's answers, for example, ask nothing.
func (c *controls) hear(m *nats.Msg) {
	var control renderjob.Control
	if err := json.Unmarshal(m.Data, &control); err != nil || control == (renderjob.Control{}) {
		c.log.Warn("read control message", "subject", m.Subject, "error", err)
		return
	}
	if control.Describe {
		c.describe()
	}
	if control.DrainMS != nil {
		c.drain(time.Duration(*control.DrainMS) * time.Millisecond)
	}
}
