package renderer

import (
	"encoding/json"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// edges reaches edges over core NATS.
type edges struct{ conn *nats.Conn }

// toldWithin is how long an edge may take to answer that it has a job's last result, and
// pauses are those before each time that it is told.
const toldWithin = 2 * time.Second

func pauses() []time.Duration {
	return []time.Duration{0, 100 * time.Millisecond, 500 * time.Millisecond, time.Second}
}

// Tell gives an edge a result; it may be lost. The last one of a job is given until the edge
// answers, since somebody waits for it: servers that only find each other lose what one has
// for the other, and so does a connection that breaks. An edge that died never answers.
func (e edges) Tell(edge string, result renderjob.Result) error {
	msg, err := result.Message(edge)
	if err != nil {
		return err
	}
	if !result.Last() {
		return e.conn.PublishMsg(msg)
	}
	for _, pause := range pauses() {
		time.Sleep(pause)
		if _, err = e.conn.RequestMsg(msg, toldWithin); err == nil {
			return nil
		}
	}
	return err
}

// TakeBack tells edges of a stale thumbnail that was withdrawn.
func (e edges) TakeBack(original thumbnail.Location) error {
	text, err := json.Marshal(renderjob.Purge{Version: renderjob.Version, Originals: []thumbnail.Location{original}})
	if err != nil {
		return err
	}
	return e.conn.Publish(renderjob.ForgetSubject, text)
}

// Begin asks whether anybody waits, and for what else. Only a clear word keeps the renderer from
// its work.
func (e edges) Begin(edge string, result renderjob.Result) renderjob.Answer {
	proceed := renderjob.Answer{Word: renderjob.Proceed}
	msg, err := result.Message(edge)
	if err != nil {
		return proceed
	}
	answer, err := e.conn.RequestMsg(msg, renderjob.StartedTimeout)
	if err != nil {
		return proceed
	}
	return renderjob.ReadAnswer(answer.Data)
}
