// Package lease is the coordinator's own protocol, spoken on PoolCounter's port
// by clients whose first line is a greeting: many requests on one connection,
// each for several pools at once, and leases that survive the connection.
//
// coordinator/PROTOCOL.md tells it byte by byte. In short: three lines of text
//
//	client       THUMBMILL/1 <name> <nonce>
//	coordinator  THUMBMILL/1 <nonce> <proof>
//	client       PROOF <proof>
//	coordinator  WELCOME
//
// and then frames in both directions, in any order: four bytes of length, one
// byte of Kind, and fields. A field is an unsigned varint (as in
// encoding/binary) or a string, which is its length as a varint and its bytes.
// A nonce is 32 hexadecimal digits; a proof is an HMAC with coordinator.secret
// over both nonces, or "-" where no secret is set.
//
// A daemon that speaks PoolCounter's protocol alone answers the greeting with
// ERROR BAD_COMMAND, which is how a client tells.
//
// The coordinator serves it, the edge speaks it.
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
	NoSecret = "-" // the proof of who has none
)

// Bounds of one frame. A longer or fuller one ends the connection.
const (
	MaxFrame   = 16 << 10 // bytes, without the length
	MaxPools   = 8        // of one request
	MaxRules   = 32       // of one client
	MaxKey     = 1024     // bytes of a pool's key
	MaxName    = 64       // bytes of a client's name
	MaxPayload = 4 << 10  // bytes that a release can carry to those who wait
)

// Times that both sides keep.
const (
	// Beat is how often a client says that it lives; the coordinator answers each.
	Beat = 200 * time.Millisecond
	// Silence after which a client takes its coordinator for gone: together with
	// Settling, after which the next one grants, it stays below a second.
	Silence = 600 * time.Millisecond
	// Patience is the silence after which a coordinator takes a client for gone.
	Patience = 2 * time.Second
	// Grace is how long the leases of a lost connection wait to be claimed.
	Grace = 2 * time.Second
	// Settling is how long a coordinator to which a client moved grants nothing, so
	// that all edges can bring their leases before it does.
	Settling = 350 * time.Millisecond
)

// Kind is the kind of a frame.
type Kind byte

// The frames of a client.
const (
	KindRules   Kind = 'R' // the limits of its pools
	KindAcquire Kind = 'A' // asks for a lease
	KindClaim   Kind = 'H' // claims a lease that it held over an earlier connection, or at another coordinator
	KindMoved   Kind = 'M' // asks here from now on, after another connection or coordinator
	KindRelease Kind = 'L' // ends a lease, or the wait for one
	KindBeat    Kind = 'B' // both sides: I live
	KindStatus  Kind = 'S' // what the client wants operators to see, as JSON
	KindFleet   Kind = 'N' // some of the renderers that the client heard of, as JSON; see KindDirective
)

// KindDirective is a frame of both sides: what an operator decided (shared/directive), as
// JSON. A coordinator sends one without a body first, to those whose status says that they
// understand it; who received that may send it and KindFleet. So neither side meets a
// frame of a later version.
const KindDirective Kind = 'O'

// The frames of a coordinator.
const (
	KindGranted Kind = 'G' // the lease is held
	KindDone    Kind = 'D' // another rendered this thumbnail and stored it; nothing is held
	KindFailed  Kind = 'F' // another tried this thumbnail in vain; nothing is held
	KindRefused Kind = 'X' // nothing is held
)

// Rule is the limits of one kind of pool as a client's configuration has them.
// Where clients differ, the lowest holds.
type Rule struct {
	Name     string // per-ip, per-original, expensive, lane:standard …
	Workers  uint32 // places that can be held at once
	MaxQueue uint32 // places held and waited for together
	Shadow   bool   // count what would be refused or delayed, and let it through
}

// Pool is one pool of a request.
type Pool struct {
	Rule   int    // index into the client's rules
	Places uint32 // as many as the request takes; at most the pool's workers are counted
	Key    string
}

// Request asks for a lease, or claims one.
type Request struct {
	ID     uint64 // chosen by the client, never used twice
	Wait   uint64 // milliseconds that it may stand in line; the wait for another's render is not counted
	Cost   uint32 // weight in the fair order of clients; 0 counts as 1
	Client string // in whose name it stands in line
	// Thumbnail is the key of the pool that is acquired for anyone: while another
	// holds it, the request waits for that one's outcome and stands in no line. ""
	// for none.
	Thumbnail string
	Pools     []Pool
}

// Outcome is what became of a lease's thumbnail.
type Outcome byte

// The outcomes.
const (
	Vanished Outcome = iota // nobody knows: one of those who wait is let in
	Stored                  // it is in the store
	Faulty                  // the original is at fault; the payload says how
)

// Reason says why a request was refused.
type Reason byte

// The reasons.
const (
	Full      Reason = 1 // maxqueue reached
	TimedOut  Reason = 2 // its wait is over
	Overload  Reason = 3 // this client has too many requests under way
	Malformed Reason = 4 // a rule or a number that is not there
)

// NoPool is Answer.Pool where it is about no pool of the request.
const NoPool = -1

// Answer is the coordinator's word on a request.
type Answer struct {
	Kind    Kind
	ID      uint64
	Pool    int    // KindRefused: index of the pool, or NoPool for the thumbnail; KindGranted: where it stood last, NoPool if it never stood
	Reason  Reason // KindRefused
	Shadow  uint64 // bit i: pool i is in shadow mode and would have refused or delayed
	Payload string // KindFailed
}

// Nonce makes one.
func Nonce() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails, by its documentation
	return hex.EncodeToString(b[:])
}

// Prove is the proof of a side ("client" or "coordinator") that it knows the
// secret. The client's name is covered, so that a proof cannot be used for another.
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

// Proves compares in constant time.
func Proves(given, want string) bool { return hmac.Equal([]byte(given), []byte(want)) }

// ValidName reports whether a client's name can stand in a greeting.
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
