// Package poolcounter is PoolCounter's protocol: the lines that clients send,
// the words that the daemon answers, and a client connection.
//
// The protocol is text, a line a message, on TCP port 7531:
//
//	ACQ4ME <key> <workers> <maxqueue> <timeout>    a lock that this client will use itself
//	ACQ4ANY <key> <workers> <maxqueue> <timeout>   the same, or word that another's work is done
//	RELEASE                                        of the lock that was acquired last
//	STATS FULL | UPTIME | <statistic>
//
// and the answers are the constants of Answer. A connection holds at most
// MaxLocks locks and waits for at most one; locks end with their connection.
// workers and maxqueue are the pool's limits as this client sees them, timeout
// is in whole seconds, 0 = do not wait.
//
// The coordinator serves it, the edge speaks it, to the coordinator or to the
// original daemon.
package poolcounter

import (
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"strings"
)

// MaxLocks is how many locks one connection can hold.
const MaxLocks = 4

// MaxLine is the longest line in bytes, its end included. Of a longer one the
// daemon drops MaxLine bytes at a time and takes the rest for the line.
const MaxLine = 1024

// Answer is what the daemon says.
type Answer string

// The answers.
const (
	Locked      Answer = "LOCKED"     // the lock is held
	Done        Answer = "DONE"       // ACQ4ANY: another did the work; nothing is held
	QueueFull   Answer = "QUEUE_FULL" // maxqueue reached
	Timeout     Answer = "TIMEOUT"    // waited in vain
	LockHeld    Answer = "LOCK_HELD"  // this connection holds MaxLocks already
	NotLocked   Answer = "NOT_LOCKED" // RELEASE without a lock
	Released    Answer = "RELEASED"
	BadSyntax   Answer = "ERROR BAD_SYNTAX"
	BadCommand  Answer = "ERROR BAD_COMMAND"
	MustWait    Answer = "ERROR WAIT_FOR_RESPONSE" // a command while waiting for a lock
	OutOfMemory Answer = "ERROR OUT_OF_MEMORY"
	// WrongStat has no end of line at the original, and so none here.
	WrongStat Answer = "ERROR WRONG_STAT"
)

// Verb is the kind of a command.
type Verb int

// The verbs.
const (
	VerbUnknown Verb = iota
	VerbAcquire
	VerbRelease
	VerbStats
)

// Limits are a pool's limits as one client states them.
type Limits struct {
	Workers  uint32 // holders at once
	MaxQueue uint32 // holders and waiters together
	Timeout  uint32 // seconds; 0 = do not wait
}

// Command is one line, understood.
type Command struct {
	Verb      Verb
	ForAnyone bool   // ACQ4ANY
	Key       string // of the pool
	Limits    Limits
	Stat      string // what STATS asks for
	Malformed bool   // of a known verb, without what it needs
}

// Parse understands a line without its end, as the original does: verbs are
// prefixes, fields are separated by spaces, what follows the fourth is ignored,
// what is no natural number is 0, and numbers wrap around at 2³².
func Parse(line string) Command {
	line, _, _ = strings.Cut(strings.TrimSuffix(line, "\r"), "\x00")
	switch {
	case strings.HasPrefix(line, "ACQ4ME "):
		return parseAcquire(line[len("ACQ4ME "):], false)
	case strings.HasPrefix(line, "ACQ4ANY "):
		return parseAcquire(line[len("ACQ4ANY "):], true)
	case strings.HasPrefix(line, "RELEASE"):
		return Command{Verb: VerbRelease}
	case strings.HasPrefix(line, "STATS "):
		return Command{Verb: VerbStats, Stat: line[len("STATS "):]}
	}
	return Command{Verb: VerbUnknown}
}

func parseAcquire(rest string, forAnyone bool) Command {
	c := Command{Verb: VerbAcquire, ForAnyone: forAnyone}
	var fields [4]string
	for i := range fields {
		rest = strings.TrimLeft(rest, " ")
		fields[i], rest, _ = strings.Cut(rest, " ")
	}
	c.Key = fields[0]
	c.Limits = Limits{Workers: natural(fields[1]), MaxQueue: natural(fields[2]), Timeout: natural(fields[3])}
	c.Malformed = c.Key == "" || c.Limits.Workers == 0 || c.Limits.MaxQueue == 0
	return c
}

func natural(text string) uint32 {
	var n uint32
	for _, digit := range []byte(text) {
		if digit < '0' || digit > '9' {
			return 0
		}
		n = n*10 + uint32(digit-'0')
	}
	return n
}

const longestName = 300

// Key names a pool by the class of what it limits, and which of these: "original:Cat.jpg".
// Names are escaped, so that no name can end the field or the line, and long ones are
// shortened by a digest.
func Key(class, name string) string {
	escaped := url.QueryEscape(name)
	if len(escaped) > longestName {
		sum := sha256.Sum256([]byte(name))
		escaped = escaped[:longestName-2*len(sum)] + hex.EncodeToString(sum[:])
	}
	return class + ":" + escaped
}
