package renderer

import (
	"encoding/json"
	"log/slog"

	"github.com/nats-io/nats.go"

	"github.com/thumbmill/thumbmill/shared/queue"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// purges forgets originals that are purged.
type purges struct {
	pipeline interface {
		Forget(original thumbnail.Location)
	}
	renderer string // this renderer's name, which is the answer
	log      *slog.Logger
}

// forget takes a purge, and answers once nothing of before can be stored any more. One that
// cannot be read is not answered, which the purge tells.
func (p *purges) forget(m *nats.Msg) {
	var purge renderjob.Purge
	if err := json.Unmarshal(m.Data, &purge); err != nil {
		p.log.Warn("a purge cannot be read", "error", err)
		return
	}
	for _, original := range purge.Originals {
		p.pipeline.Forget(original)
	}
	if err := queue.Answer(m, p.renderer); err != nil {
		p.log.Warn("a purge was not answered", "error", err)
	}
}
