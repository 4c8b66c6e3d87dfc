package renderer

import (
	"encoding/json"
	"log/slog"

	"github.com/nats-io/nats.go"

	"github.com/thumbmill/thumbmill/shared/queue"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// purges tells the pipeline to forget purged originals.
type purges struct {
	pipeline interface {
		Forget(original thumbnail.Location)
	}
	renderer string // this renderer's name: the answer to a purge
	log      *slog.Logger
}

// forget handles a purge. It answers after the pipeline can no longer store older thumbnails. It does not answer a
// purge that it cannot read; the purge then reports this renderer as missing.
func (p *purges) forget(m *nats.Msg) {
	var purge renderjob.Purge
	if err := json.Unmarshal(m.Data, &purge); err != nil {
		p.log.Warn("read purge", "error", err)
		return
	}
	for _, original := range purge.Originals {
		p.pipeline.Forget(original)
	}
	if err := queue.Answer(m, p.renderer); err != nil {
		p.log.Warn("answer purge", "error", err)
	}
}
