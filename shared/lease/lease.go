// Package lease is the coordinator's own protocol. Clients speak it on PoolCounter's port with a
// greeting as the first line: many requests on one connection, each for several pools at once, and
// leases that survive the connection.
//
// coordinator/PROTOCOL.md describes it byte by byte. In short, both sides begin with three lines of
// text
//
//	client       THUMBMILL/1 <name> <nonce>
//	coordinator  THUMBMILL/1 <nonce> <proof>
//	client       PROOF <proof>
//	coordinator  WELCOME
//
// and then send frames, in any order: four bytes of length, one byte of Kind, and fields. A field is an
// unsigned varint (as in encoding/binary) or a string: its length as a varint, then its bytes. A nonce
// is 32 hexadecimal digits. A proof is an HMAC with coordinator.secret over both nonces, or "-" without
// a secret.
//
// A daemon that speaks only PoolCounter's protocol answers the greeting with ERROR BAD_COMMAND.
//
// The coordinator is the server and the edge the client.
package lease

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"time"
)

// Greeting is the first word of both sides; its number is the version.
const Greeting = "THUMBMILL/1"

// Words of the handshake.
const (
	Proof    = "PROOF"
	Welcome  = "WELCOME"
	BadProof = "ERROR BAD_PROOF"
	NoSecret = "-" // the proof of a side without a secret
)

// Bounds of one frame. A frame above a bound ends the connection.
const (
	MaxFrame   = 16 << 10 // bytes, without the length
	MaxPools   = 8        // of one request
	MaxRules   = 32       // of one client
	MaxKey     = 1024     // bytes of a pool's key
	MaxName    = 64       // bytes of a client's name
	MaxPayload = 4 << 10  // bytes that a release can send to the waiting requests
)

// Times that both sides keep.
const (
	// Beat is the pause between a client's beats. The coordinator answers each beat. It beats by itself when it has
	// sent nothing for a little longer, since a beat may stand behind thousands of requests.
	Beat = 200 * time.Millisecond
	// Suspicion is the silence after which a client claims its leases at the next coordinator. Suspicion and Settling
	// together take little longer than Silence: the next coordinator then grants as soon as clients ask.
	Suspicion = 300 * time.Millisecond
	// Silence is the silence after which a client counts its coordinator as gone, and asks the next one.
	Silence = 600 * time.Millisecond
	// Patience is the silence after which a coordinator counts a client as gone.
	Patience = 2 * time.Second
	// Grace is the time for which the leases of a lost connection can be claimed.
	Grace = 2 * time.Second
	// Settling is the time for which a coordinator grants nothing after a client has moved to it: all
	// edges can claim their leases first.
	Settling = 350 * time.Millisecond
)

// Kind is the kind of a frame.
type Kind byte

// The frames of a client.
const (
	KindRules   Kind = 'R' // declares the limits of the client's pools
	KindAcquire Kind = 'A' // asks for a lease
	KindClaim   Kind = 'H' // claims a lease of an earlier connection or another coordinator
	KindMoved   Kind = 'M' // tells that the client moved here from another connection or coordinator
	KindRelease Kind = 'L' // ends a lease, or a wait for a lease
	KindBeat    Kind = 'B' // from both sides: shows that the sender lives
	KindStatus  Kind = 'S' // reports the client's state to operators, as JSON
	KindFleet   Kind = 'N' // reports some of the renderers that the client knows, as JSON; see KindDirective
)

// KindDirective is a frame of both sides with a directive (shared/directive), as JSON. A coordinator
// first sends an empty one to each client whose status says that it understands directives. The client
// may send KindDirective and KindFleet after that. Neither side therefore receives a frame of a later
// version.
const KindDirective Kind = 'O'

// KindTurned is a frame of both sides, since 0.10. A client reports with it a request that it refused
// itself, because too many requests of its Client wait at this edge, or waited too long there. It has
// a Reason (Full or TimedOut) and the fields of KindAcquire, with an ID of 0. The first pool is the one
// that refuses. The coordinator counts the refusal and sends no answer. A coordinator first sends an empty frame of this kind to each client
// whose status says that it turns requests away; a client sends none before.
const KindTurned Kind = 'T'

// KindSpent is a frame of a client, since 0.10, before the release of a lease: the processor time of the lease's
// render, in milliseconds. The coordinator charges the client and the original with the difference to the request's
// Cost, and counts the time for operators. A client sends it only to coordinators that sent KindTurned.
const KindSpent Kind = 'P'

// The frames of a coordinator.
const (
	KindGranted Kind = 'G' // the lease is held
	KindDone    Kind = 'D' // another request rendered and stored this thumbnail; nothing is held
	KindFailed  Kind = 'F' // another request failed to render this thumbnail; nothing is held
	KindRefused Kind = 'X' // nothing is held
)

// Rule is the limits of one kind of pool in a client's configuration. If clients differ, the lowest
// limit is in force.
type Rule struct {
	Name     string // per-ip, per-original, expensive, lane:standard …
	Workers  uint32 // places held at once
	MaxQueue uint32 // places held and waited for, together
	Shadow   bool   // count refusals, and refuse nothing
}

// Pool is one pool of a request.
type Pool struct {
	Rule   int    // index into the client's rules
	Places uint32 // number of places that the request takes; more than the pool's workers count as workers
	Key    string
}

// Request asks for a lease, or claims one.
type Request struct {
	ID     uint64 // chosen by the client, never used twice
	Wait   uint64 // milliseconds that it may stand in line, without the wait for another render
	Cost   uint32 // weight in the fair order of clients; 0 counts as 1
	Client string // the client that the request stands in line for
	// Thumbnail is the key of the pool that is acquired for anyone, or "". While another request holds
	// the pool, this request waits for its outcome and stands in no line.
	Thumbnail string
	Pools     []Pool
}

// Outcome is the outcome of a lease's thumbnail.
type Outcome byte

// The outcomes.
const (
	Vanished Outcome = iota // unknown: one of the waiting requests is let in
	Stored                  // the thumbnail is in the store
	Faulty                  // the original is at fault; the payload says how
)

// Reason is the reason of a refusal.
type Reason byte

// The reasons.
const (
	Full      Reason = 1 // maxqueue reached
	TimedOut  Reason = 2 // the end of its wait
	Overload  Reason = 3 // this client has too many requests under way
	Malformed Reason = 4 // unknown rule or wrong number
	Crowded   Reason = 5 // the client takes half of a lane's queue; from coordinators since 0.10
)

// NoPool is the value of Answer.Pool if no pool of the request is meant.
const NoPool = -1

// Answer is the coordinator's answer to a request.
type Answer struct {
	Kind    Kind
	ID      uint64
	Pool    int    // KindRefused: index of the pool, or NoPool for the thumbnail; KindGranted: index of the last pool in whose line it stood, or NoPool
	Reason  Reason // KindRefused
	Shadow  uint64 // bit i: pool i is in shadow mode and would have refused or delayed the request
	Payload string // KindFailed
}

// Nonce returns a random nonce of 32 hexadecimal digits.
func Nonce() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // crypto/rand.Read documents that it never fails
	return hex.EncodeToString(b[:])
}

// Prove returns the proof of a side ("client" or "coordinator") that it knows the secret. The proof
// covers the client's name: it is worthless for another name.
func Prove(secret, side, name, clientNonce, coordinatorNonce string) string {
	if secret == "" {
		return NoSecret
	}
	mac := hmac.New(sha256.New, []byte(secret))
	for _, part := range []string{Greeting, side, name, clientNonce, coordinatorNonce} {
		mac.Write([]byte(part + "\n"))
	}
	return hex.EncodeToString(mac.Sum(nil))
}

// Proves compares two proofs in constant time.
func Proves(given, want string) bool { return hmac.Equal([]byte(given), []byte(want)) }

// ValidName reports whether a client's name is allowed in a greeting.
func ValidName(name string) bool {
	if name == "" || len(name) > MaxName {
		return false
	}
	for _, r := range []byte(name) {
		if r <= ' ' || r > '~' {
			return false
		}
	}
	return true
}
