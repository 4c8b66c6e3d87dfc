package renderjob

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// HandOverSubject is where a renderer takes jobs that another one pulled, of originals that
// it has on its disk. It answers HandOver requests with Taken or Busy.
func HandOverSubject(renderer string) string { return "render.handover." + renderer }

// A renderer's answers to a HandOver.
const (
	Taken = "taken"
	Busy  = "busy" // none of its slots is free
)

// HandOverTimeout is how long a renderer waits for the answer before it does the job itself.
// A lost answer means that two do it, which is harmless.
const HandOverTimeout = 100 * time.Millisecond

// HandOver gives a job that was pulled to another renderer, which answers for it from then on.
type HandOver struct {
	Job        Job
	Deliveries int           // over all renderers, this one included
	Age        time.Duration // since it was published, by the server's clock
	// Receipt is the subject on which the job's message is acknowledged.
	Receipt string
}

const (
	receiptHeader    = "Thumbmill-Receipt"
	deliveriesHeader = "Thumbmill-Deliveries"
	ageHeader        = "Thumbmill-Age"
	// receipts of the stream of jobs; any other subject is none.
	receipts = "$JS.ACK.RENDER."
)

// Message makes the message that asks a renderer.
func (h HandOver) Message(renderer string) (*nats.Msg, error) {
	m, err := h.Job.Message()
	if err != nil {
		return nil, err
	}
	m.Subject = HandOverSubject(renderer)
	m.Header.Set(receiptHeader, h.Receipt)
	m.Header.Set(deliveriesHeader, strconv.Itoa(h.Deliveries))
	m.Header.Set(ageHeader, h.Age.String())
	return m, nil
}

// ReadHandOver understands a message on a renderer's subject.
func ReadHandOver(m *nats.Msg) (h HandOver, err error) {
	if h.Job, err = ReadJob(m.Header, m.Data); err != nil {
		return h, err
	}
	var wrong [2]error
	h.Receipt = m.Header.Get(receiptHeader)
	h.Deliveries, wrong[0] = strconv.Atoi(m.Header.Get(deliveriesHeader))
	h.Age, wrong[1] = time.ParseDuration(m.Header.Get(ageHeader))
	switch {
	case errors.Join(wrong[:]...) != nil:
		return h, fmt.Errorf("handed over: %w", errors.Join(wrong[:]...))
	case h.Deliveries < 1 || h.Age < 0:
		return h, fmt.Errorf("handed over: %d deliveries, of age %v", h.Deliveries, h.Age)
	case !strings.HasPrefix(h.Receipt, receipts):
		return h, fmt.Errorf("handed over: %q acknowledges no job", h.Receipt)
	case h.Job.Version > Version:
		return h, fmt.Errorf("handed over: a job of version %d", h.Job.Version)
	}
	return h, nil
}
