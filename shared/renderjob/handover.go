package renderjob

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// HandOverSubject is the subject on which a renderer receives jobs that it did not pull: another renderer pulled
// them, and their originals are on this one's disk, or their edge did not need the queue, or the queue did not take them.
// The renderer answers a HandOver with Taken or Busy, and one of AtOnce with a Result.
func HandOverSubject(renderer string) string { return "render.handover." + renderer }

// A renderer's answers to a HandOver.
const (
	Taken = "taken"
	Busy  = "busy" // no slot is free
)

// HandOverTimeout bounds the wait for the answer. Then the renderer does the job itself, and the edge asks another
// renderer. After a lost answer two renderers do the job, which is harmless.
const HandOverTimeout = 100 * time.Millisecond

// HandOver passes a job to a renderer, which is responsible for it from then on.
type HandOver struct {
	Job        Job
	Deliveries int           // over all renderers, this one included
	Age        time.Duration // since its publication, by the server's clock
	// Receipt is the subject on which the job's message is acknowledged; "" for a job that was never in the queue.
	Receipt string
	// AtOnce says that the edge waits for StateStarted before it does anything else with the job: the renderer begins the
	// job without asking, if a slot is free and no lane may have a waiting job, and sends StateBusy otherwise.
	AtOnce bool
}

const (
	receiptHeader    = "Thumbmill-Receipt"
	deliveriesHeader = "Thumbmill-Deliveries"
	ageHeader        = "Thumbmill-Age"
	atOnceHeader     = "Thumbmill-At-Once" // present: HandOver.AtOnce
	// receipts is the prefix of all receipts of the job stream.
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
	if h.AtOnce {
		m.Header.Set(atOnceHeader, "1")
	}
	return m, nil
}

// ReadHandOver parses a message on a renderer's subject. It returns an error for any other subject as
// receipt.
func ReadHandOver(m *nats.Msg) (h HandOver, err error) {
	if h.Job, err = ReadJob(m.Header, m.Data); err != nil {
		return h, err
	}
	var wrong [2]error
	h.Receipt, h.AtOnce = m.Header.Get(receiptHeader), m.Header.Get(atOnceHeader) != ""
	h.Deliveries, wrong[0] = strconv.Atoi(m.Header.Get(deliveriesHeader))
	h.Age, wrong[1] = time.ParseDuration(m.Header.Get(ageHeader))
	switch {
	case errors.Join(wrong[:]...) != nil:
		return h, fmt.Errorf("read a handed-over job: %w", errors.Join(wrong[:]...))
	case h.Deliveries < 1 || h.Age < 0:
		return h, fmt.Errorf("read a handed-over job: %d deliveries and age %v are not possible", h.Deliveries, h.Age)
	case h.Receipt != "" && !strings.HasPrefix(h.Receipt, receipts):
		return h, fmt.Errorf("read a handed-over job: the receipt %q acknowledges no job", h.Receipt)
	case h.Job.Version > Version:
		return h, fmt.Errorf("read a handed-over job: its version is %d, and this renderer knows %d", h.Job.Version, Version)
	}
	return h, nil
}
