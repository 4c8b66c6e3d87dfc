package lease

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// errFrame reports a frame that breaks the protocol.
var errFrame = errors.New("malformed frame")

const headerSize = 4

// ReaderSize is the size of the buffer that ReadFrame needs.
const ReaderSize = headerSize + MaxFrame

// ReadFrame reads one frame from a reader of at least ReaderSize bytes. The body is a copy that callers
// can keep.
func ReadFrame(in *bufio.Reader) (Kind, string, error) {
	header, err := in.Peek(headerSize)
	if err != nil {
		return 0, "", err
	}
	size := binary.BigEndian.Uint32(header)
	if size == 0 || size > MaxFrame {
		return 0, "", fmt.Errorf("%w: %d bytes", errFrame, size)
	}
	frame, err := in.Peek(headerSize + int(size))
	if err != nil {
		return 0, "", err
	}
	kind, body := Kind(frame[headerSize]), string(frame[headerSize+1:])
	_, err = in.Discard(len(frame))
	return kind, body, err
}

// begin appends a frame's head, and leaves room for the length, which end fills in.
func begin(out []byte, k Kind) ([]byte, int) {
	start := len(out)
	return append(out, 0, 0, 0, 0, byte(k)), start
}

func end(out []byte, start int) []byte {
	binary.BigEndian.PutUint32(out[start:], uint32(len(out)-start-headerSize)) //nolint:gosec // below MaxFrame
	return out
}

func appendString(out []byte, s string) []byte {
	return append(binary.AppendUvarint(out, uint64(len(s))), s...)
}

// AppendBeat appends a beat.
func AppendBeat(out []byte) []byte { return appendText(out, KindBeat, "") }

// AppendMoved appends the message that the client has moved to this coordinator.
func AppendMoved(out []byte) []byte { return appendText(out, KindMoved, "") }

// AppendCounts appends the message that the coordinator counts the requests that the client turns away.
func AppendCounts(out []byte) []byte { return appendText(out, KindTurned, "") }

// AppendStatus appends a status: JSON of at most MaxFrame - 8 bytes.
func AppendStatus(out []byte, json string) []byte { return appendText(out, KindStatus, json) }

// AppendDirective appends a directive as JSON. "" means that the sender understands directives.
func AppendDirective(out []byte, json string) []byte { return appendText(out, KindDirective, json) }

// AppendFleet appends heartbeats of renderers: a JSON array of at most MaxFrame - 8 bytes.
func AppendFleet(out []byte, json string) []byte { return appendText(out, KindFleet, json) }

func appendText(out []byte, k Kind, text string) []byte {
	out, start := begin(out, k)
	return end(append(out, text...), start)
}

// AppendRules appends a client's rules. Pool.Rule is an index into them.
func AppendRules(out []byte, rules []Rule) []byte {
	out, start := begin(out, KindRules)
	out = binary.AppendUvarint(out, uint64(len(rules)))
	for _, r := range rules {
		out = appendString(out, r.Name)
		out = binary.AppendUvarint(out, uint64(r.Workers))
		out = binary.AppendUvarint(out, uint64(r.MaxQueue))
		out = binary.AppendUvarint(out, flag(r.Shadow))
	}
	return end(out, start)
}

func flag(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

// AppendTurned appends a request that the client turned away.
func AppendTurned(out []byte, why Reason, r Request) []byte {
	out, start := begin(out, KindTurned)
	return end(appendFields(append(out, byte(why)), r), start)
}

// AppendRequest appends KindAcquire or KindClaim.
func AppendRequest(out []byte, k Kind, r Request) []byte {
	out, start := begin(out, k)
	return end(appendFields(out, r), start)
}

// appendFields appends the fields of a request.
func appendFields(out []byte, r Request) []byte {
	out = binary.AppendUvarint(out, r.ID)
	out = binary.AppendUvarint(out, r.Wait)
	out = binary.AppendUvarint(out, uint64(r.Cost))
	out = appendString(out, r.Client)
	out = appendString(out, r.Thumbnail)
	out = binary.AppendUvarint(out, uint64(len(r.Pools)))
	for _, p := range r.Pools {
		out = binary.AppendUvarint(out, uint64(p.Rule)) //nolint:gosec // an index
		out = binary.AppendUvarint(out, uint64(p.Places))
		out = appendString(out, p.Key)
	}
	return out
}

// AppendRelease appends the end of a lease or of a wait. It cuts the payload to MaxPayload bytes.
func AppendRelease(out []byte, id uint64, o Outcome, payload string) []byte {
	out, start := begin(out, KindRelease)
	out = append(binary.AppendUvarint(out, id), byte(o))
	return end(appendString(out, payload[:min(len(payload), MaxPayload)]), start)
}

// AppendSpent appends the processor time of a lease's render in milliseconds.
func AppendSpent(out []byte, id uint64, ms uint32) []byte {
	out, start := begin(out, KindSpent)
	return end(binary.AppendUvarint(binary.AppendUvarint(out, id), uint64(ms)), start)
}

// AppendAnswer appends a coordinator's answer.
func AppendAnswer(out []byte, a Answer) []byte {
	out, start := begin(out, a.Kind)
	out = binary.AppendUvarint(out, a.ID)
	switch a.Kind {
	case KindGranted:
		out = binary.AppendUvarint(out, uint64(a.Pool+1)) //nolint:gosec // -1 and up
		out = binary.AppendUvarint(out, a.Shadow)
	case KindFailed:
		out = appendString(out, a.Payload)
	case KindRefused:
		out = binary.AppendUvarint(out, uint64(a.Pool+1)) //nolint:gosec // -1 and up
		out = append(out, byte(a.Reason))
		out = binary.AppendUvarint(out, a.Shadow)
	}
	return end(out, start)
}

// ParseRules parses KindRules.
func ParseRules(body string) ([]Rule, error) {
	d := decoder{rest: body}
	rules := make([]Rule, d.count(MaxRules))
	for i := range rules {
		rules[i] = Rule{Name: d.text(MaxKey), Workers: d.number32(), MaxQueue: d.number32(), Shadow: d.number() == 1}
		if rules[i].Name == "" || rules[i].Workers == 0 || rules[i].MaxQueue == 0 {
			return nil, fmt.Errorf("%w: rule %d has no name or no limits", errFrame, i)
		}
	}
	return rules, d.end()
}

// ParseTurned parses a client's KindTurned into r, as ParseRequest does.
func ParseTurned(body string, r *Request) (Reason, error) {
	if body == "" {
		return 0, fmt.Errorf("%w: %w", errFrame, io.ErrUnexpectedEOF)
	}
	why := Reason(body[0])
	if why != Full && why != TimedOut {
		return 0, fmt.Errorf("%w: the reason %d is unknown", errFrame, why)
	}
	return why, ParseRequest(body[1:], r)
}

// ParseRequest parses KindAcquire and KindClaim into r. It reuses the memory of r.Pools.
func ParseRequest(body string, r *Request) error {
	d := decoder{rest: body}
	r.ID, r.Wait, r.Cost = d.number(), d.number(), d.number32()
	r.Client, r.Thumbnail = d.text(MaxKey), d.text(MaxKey)
	r.Pools = r.Pools[:0]
	for range d.count(MaxPools) {
		p := Pool{Rule: int(d.number32()), Places: d.number32(), Key: d.text(MaxKey)}
		if p.Key == "" || p.Places == 0 {
			return fmt.Errorf("%w: a pool has no key or no places", errFrame)
		}
		r.Pools = append(r.Pools, p)
	}
	return d.end()
}

// ParseRelease parses KindRelease.
func ParseRelease(body string) (id uint64, o Outcome, payload string, err error) {
	d := decoder{rest: body}
	id, o, payload = d.number(), Outcome(d.octet()), d.text(MaxPayload)
	if o > Faulty {
		return 0, 0, "", fmt.Errorf("%w: the outcome %d is unknown", errFrame, o)
	}
	return id, o, payload, d.end()
}

// ParseSpent parses KindSpent.
func ParseSpent(body string) (id uint64, ms uint32, err error) {
	d := decoder{rest: body}
	id, ms = d.number(), d.number32()
	return id, ms, d.end()
}

// ParseAnswer parses the coordinator's answers.
func ParseAnswer(k Kind, body string) (Answer, error) {
	d := decoder{rest: body}
	a := Answer{Kind: k, ID: d.number()}
	switch k {
	case KindGranted:
		a.Pool = int(d.number32()) - 1
		a.Shadow = d.number()
	case KindDone:
	case KindFailed:
		a.Payload = d.text(MaxPayload)
	case KindRefused:
		a.Pool, a.Reason = int(d.number32())-1, Reason(d.octet())
		a.Shadow = d.number()
	default:
		return a, fmt.Errorf("%w: the kind %q is unknown", errFrame, byte(k))
	}
	return a, d.end()
}

// decoder reads fields from the front. After the first missing field all fields are zero, and end
// returns an error.
type decoder struct {
	rest string
	bad  bool
}

func (d *decoder) fail() { d.bad, d.rest = true, "" }

func (d *decoder) octet() byte {
	if d.rest == "" {
		d.fail()
		return 0
	}
	b := d.rest[0]
	d.rest = d.rest[1:]
	return b
}

func (d *decoder) number() (n uint64) {
	for shift := 0; shift < 64; shift += 7 {
		b := d.octet()
		if shift == 63 && b > 1 {
			break
		}
		n |= uint64(b&0x7f) << shift
		if b < 0x80 {
			return n
		}
	}
	d.fail()
	return 0
}

func (d *decoder) number32() uint32 {
	n := d.number()
	if n > 1<<31-1 {
		d.fail()
		return 0
	}
	return uint32(n)
}

func (d *decoder) count(most uint64) int {
	n := d.number()
	if n > most {
		d.fail()
		return 0
	}
	return int(n) //nolint:gosec // bounded
}

func (d *decoder) text(most int) string {
	n := d.number()
	if n > uint64(len(d.rest)) || n > uint64(most) { //nolint:gosec // a constant
		d.fail()
		return ""
	}
	s := d.rest[:n]
	d.rest = d.rest[n:]
	return s
}

func (d *decoder) end() error {
	switch {
	case d.bad:
		return fmt.Errorf("%w: %w", errFrame, io.ErrUnexpectedEOF)
	case d.rest != "":
		return fmt.Errorf("%w: %d bytes too many", errFrame, len(d.rest))
	}
	return nil
}
