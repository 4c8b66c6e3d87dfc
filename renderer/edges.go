package renderer

import (
	"encoding/json"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// edges sends messages to edges over core NATS.
type edges struct{ conn *nats.Conn }

// answerTimeout bounds an edge's answer to the last result of a job.
const answerTimeout = 2 * time.Second

// pauses returns the pauses before each attempt to send the last result of a job: half a minute with the waits for
// answers, longer than NATS servers need to connect again after ten seconds without a network.
func pauses() []time.Duration {
	return []time.Duration{0, 100 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second, 6 * time.Second}
}

// Tell sends a result to an edge. A result may get lost, but Tell sends the last result of a job several times,
// until the edge answers, because a client waits for it: NATS servers without a connection to each other lose messages,
// and so does a broken connection. Tell returns the error of the last attempt; a dead edge never answers.
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
		if _, err = e.conn.RequestMsg(msg, answerTimeout); err == nil {
			return nil
		}
	}
	return err
}

// TakeBack tells all edges that a stale thumbnail was taken back, so that they forget the original.
func (e edges) TakeBack(original thumbnail.Location) error {
	text, err := json.Marshal(renderjob.Purge{Version: renderjob.Version, Originals: []thumbnail.Location{original}})
	if err != nil {
		return err
	}
	return e.conn.Publish(renderjob.ForgetSubject, text)
}

// Begin asks the edge whether a client still waits, and for which other thumbnails. Errors and timeouts mean
// renderjob.Proceed: only a clear refusal stops the renderer.
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
