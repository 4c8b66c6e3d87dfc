// Package poolcounter is PoolCounter's protocol: the lines of clients, the answers of the daemon, and a
// client connection.
//
// The protocol is text, one line for each message, on TCP port 7531:
//
//	ACQ4ME <key> <workers> <maxqueue> <timeout>    asks for a lock for work by this client
//	ACQ4ANY <key> <workers> <maxqueue> <timeout>   the same, or for the end of another client's work
//	RELEASE                                        gives back the newest lock
//	STATS FULL | UPTIME | <statistic>
//
// The constants of Answer are the answers. A connection holds at most MaxLocks locks and waits for at
// most one. Locks end with their connection. A client states the pool's limits workers and maxqueue
// itself. timeout is in whole seconds, 0 = do not wait.
//
// The coordinator is a server of this protocol. The edge is a client, of the coordinator or of the
// original daemon.
package poolcounter

import (
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"strings"
)

// MaxLocks is the number of locks that one connection can hold.
const MaxLocks = 4

// MaxLine is the longest line in bytes, its end included. The daemon drops MaxLine bytes at a time from
// a longer line, and takes the rest as the line.
const MaxLine = 1024

// Answer is an answer of the daemon.
type Answer string

// The answers.
const (
	Locked      Answer = "LOCKED"     // the lock is held
	Done        Answer = "DONE"       // ACQ4ANY: another client did the work; nothing is held
	QueueFull   Answer = "QUEUE_FULL" // maxqueue reached
	Timeout     Answer = "TIMEOUT"    // end of the wait without a lock
	LockHeld    Answer = "LOCK_HELD"  // this connection holds MaxLocks already
	NotLocked   Answer = "NOT_LOCKED" // RELEASE without a lock
	Released    Answer = "RELEASED"
	BadSyntax   Answer = "ERROR BAD_SYNTAX"
	BadCommand  Answer = "ERROR BAD_COMMAND"
	MustWait    Answer = "ERROR WAIT_FOR_RESPONSE" // a command while waiting for a lock
	OutOfMemory Answer = "ERROR OUT_OF_MEMORY"
	// WrongStat has no end of line, as in the original.
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

// Command is one parsed line.
type Command struct {
	Verb      Verb
	ForAnyone bool   // ACQ4ANY
	Key       string // of the pool
	Limits    Limits
	Stat      string // argument of STATS
	Malformed bool   // known verb with wrong or missing fields
}

// Parse parses a line without its end, like the original: verbs are prefixes, spaces separate fields,
// fields after the fourth are ignored, fields that are not natural numbers are 0, and numbers wrap
// around at 2³².
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

// Key returns the name of a pool: its class and the name of the limited thing, as in
// "original:Cat.jpg". It escapes names, so no name can end the field or the line, and shortens long
// names with a digest.
func Key(class, name string) string {
	escaped := url.QueryEscape(name)
	if len(escaped) > longestName {
		sum := sha256.Sum256([]byte(name))
		escaped = escaped[:longestName-2*len(sum)] + hex.EncodeToString(sum[:])
	}
	return class + ":" + escaped
}

// Unescaped reads the name in a key of Key: the text as it was before, where no digest shortened it. It returns
// a text with wrong escapes unchanged, because PoolCounter's other clients choose their keys freely.
func Unescaped(text string) string {
	if name, err := url.QueryUnescape(text); err == nil {
		return name
	}
	return text
}
