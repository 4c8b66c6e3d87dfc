package purge

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/thumbmill/thumbmill/shared/queue"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// overQueue asks edges and renderers over NATS.
type overQueue struct {
	conn   *nats.Conn
	within time.Duration // bounds the wait for answers
}

func (q overQueue) tellToForget(ctx context.Context, originals []thumbnail.Location, named []string) (answered, silent []string) {
	ctx, cancel := context.WithTimeout(ctx, q.within)
	defer cancel()
	inbox, names := q.conn.NewRespInbox(), make(chan string, len(named))
	answers, err := queue.Subscribe(q.conn, inbox, func(m *nats.Msg) {
		select {
		case names <- string(m.Data):
		case <-ctx.Done():
		}
	})
	if err != nil {
		return nil, named
	}
	defer func() { _ = answers.Unsubscribe() }()
	text, _ := json.Marshal(renderjob.Purge{Version: renderjob.Version, Originals: originals}) // these types always encode
	if err := q.conn.PublishMsg(&nats.Msg{Subject: renderjob.PurgeSubject, Reply: inbox, Data: text}); err != nil {
		return nil, named
	}
	return collect(ctx, names, named)
}

// collect waits until every named edge and renderer has answered, or until ctx ends. It ignores other
// answers and second answers.
func collect(ctx context.Context, names <-chan string, named []string) (answered, silent []string) {
	silent = slices.Clone(named)
	for len(silent) > 0 {
		select {
		case name := <-names:
			if at := slices.Index(silent, name); at >= 0 {
				answered, silent = append(answered, name), slices.Delete(silent, at, at+1)
			}
		case <-ctx.Done():
			return answered, silent
		}
	}
	return answered, nil
}
