//go:build !race

package classic

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"github.com/thumbmill/thumbmill/loadtest/fixtures/servers"
)

// Our server and the original get the same random conversations, of up to five clients each: every
// answer to every client is the same to the byte. A test run has a thousand conversations.
//
// The test leaves out the points in which the original contradicts its own words; they have their own
// tests. The original resets the releaser's clock instead of the new holder's for times of processing.
// It does not count a RELEASE of a wait in waiting_workers. It loses lines that arrive together or in
// parts. It forgets the time of a wait during which a command arrives.
func TestSameAsTheOriginal(t *testing.T) {
	address, table := ours(t)
	drained(t, table)
	original := servers.Poolcounterd(t)
	conversations := 0
	for range 10 {
		rapid.Check(t, func(rt *rapid.T) {
			conversations++
			d := differential{t: rt, name: fmt.Sprint(conversations), sides: [2]*side{newSide(rt, address), newSide(rt, original)}}
			defer d.close()
			for range rapid.IntRange(1, 40).Draw(rt, "steps") {
				d.step()
			}
		})
	}
	t.Logf("%d conversations", conversations)
}

// differential is one conversation with both servers.
type differential struct {
	t     *rapid.T
	name  string
	sides [2]*side
}

func (d *differential) close() {
	for _, s := range d.sides {
		for _, c := range s.clients {
			if c.fd != 0 {
				_ = unix.Close(c.fd)
			}
		}
		s.await("hashtable_entries", 0)
		_ = unix.Close(s.control)
	}
}

func (d *differential) step() {
	who := rapid.IntRange(0, 4).Draw(d.t, "client")
	if rapid.IntRange(0, 14).Draw(d.t, "leaves") == 0 {
		d.t.Logf("client %d leaves", who)
		for _, s := range d.sides {
			s.leave(who)
		}
	} else {
		line := d.line()
		d.t.Logf("client %d: %.60q", who, line)
		for _, s := range d.sides {
			s.say(who, line)
		}
	}
	d.compare()
}

// compare compares the answers to all clients. The kernel may deliver a client's answer later than
// another client's later answer.
func (d *differential) compare() {
	ours, theirs := d.sides[0].heard(), d.sides[1].heard()
	for end := time.Now().Add(patience); ours != theirs && time.Now().Before(end); {
		for i, more := range d.sides[0].heard() {
			ours[i] += more
		}
		for i, more := range d.sides[1].heard() {
			theirs[i] += more
		}
	}
	d.t.Logf("  %q", ours)
	if ours != theirs {
		d.t.Fatalf("our server answered %q, the original answered %q", ours, theirs)
	}
}

func (d *differential) line() string {
	switch rapid.IntRange(0, 9).Draw(d.t, "kind") {
	case 0:
		return rapid.SampledFrom([]string{
			"", "\r", "NONSENSE", "RELEASED", "RELEASE \r", "release", "ACQ4ME", "ACQ4ME ", "ACQ4ANY", "ACQ4ANY  ", "STATS", "STATS ",
			"STATS lock_mismatch\r", "STATS total_releases", "STATS full_queues",
			"STATS lock_while_waiting", "STATS release_mismatch", "STATS processing_workers", "STATS hashtable_entries", "STATS nothing", "ACQ4YOU k 1 1 1", "ACQ4ANYk 1 1 1", "\x00", "RELEASE\x00x", "ACQ4ME a\x00b 1 1 1",
			" RELEASE", "ACQ4ME\tk 1 1 1", strings.Repeat("x", 1100), strings.Repeat("y", 1024) + "RELEASE",
		}).Draw(d.t, "odd line")
	case 1, 2, 3:
		return "RELEASE"
	}
	number := func(name string, usual ...string) string {
		if rapid.IntRange(0, 11).Draw(d.t, "odd "+name) == 0 {
			return rapid.SampledFrom([]string{"", "0", "-1", "x", "+1", "1x", "4294967295", "4294967296", "4294967297", "01", " 2"}).Draw(d.t, name)
		}
		return rapid.SampledFrom(usual).Draw(d.t, name)
	}
	return strings.Join([]string{
		rapid.SampledFrom([]string{"ACQ4ME", "ACQ4ANY"}).Draw(d.t, "verb"),
		d.name + rapid.SampledFrom([]string{"-a", "-b", "-c", "-\xff'\""}).Draw(d.t, "key"),
		number("workers", "1", "2", "3"), number("maxqueue", "2", "4", "9"), number("timeout", "0", "60", "60", "60"),
	}, rapid.SampledFrom([]string{" ", " ", " ", "  "}).Draw(d.t, "space")) + rapid.SampledFrom([]string{"", "", "\r", " ", " more"}).Draw(d.t, "end")
}

// side is one server with the clients of a conversation, and a control connection that shows when a
// command was read. It uses plain system calls: a test can then read the answers so far without
// waiting.
type side struct {
	t       *rapid.T
	address string
	clients [5]peer
	control int
}

type peer struct {
	fd      int // 0: not connected
	waits   bool
	holds   int
	unheard []byte
}

func newSide(t *rapid.T, address string) *side {
	s := &side{t: t, address: address}
	s.control = s.dial()
	return s
}

func (s *side) dial() int {
	_, port, _ := net.SplitHostPort(s.address)
	n, _ := strconv.Atoi(port)
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err == nil {
		err = unix.Connect(fd, &unix.SockaddrInet4{Port: n, Addr: [4]byte{127, 0, 0, 1}})
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return fd
}

const patience = 5 * time.Second

// stat asks the control connection for one number.
func (s *side) stat(name string) int {
	if _, err := unix.Write(s.control, []byte("STATS "+name+"\n")); err != nil {
		s.t.Fatal(err)
	}
	buffer := make([]byte, 200)
	n, err := unix.Read(s.control, buffer)
	if err != nil {
		s.t.Fatal(err)
	}
	_, value, _ := strings.Cut(strings.TrimSpace(string(buffer[:n])), ": ")
	number, err := strconv.Atoi(value)
	if err != nil {
		s.t.Fatalf("%s: %q", name, buffer[:n])
	}
	return number
}

// say sends a line and waits until the server has read it: the server answers, or one more request
// waits.
func (s *side) say(who int, line string) {
	c := &s.clients[who]
	if c.fd == 0 {
		c.fd = s.dial()
	}
	before := s.stat("waiting_workers")
	if _, err := unix.Write(c.fd, []byte(line+"\n")); err != nil {
		s.t.Fatal(err)
	}
	for end := time.Now().Add(patience); ; {
		if s.receive(c); len(c.unheard) > 0 {
			return
		}
		if !c.waits && strings.HasPrefix(line, "ACQ4") && s.stat("waiting_workers") > before {
			c.waits = true
			return
		}
		if time.Now().After(end) {
			s.t.Fatalf("no answer to %q", line)
		}
	}
}

// receive reads the available answers of a client.
func (s *side) receive(c *peer) {
	buffer := make([]byte, 4096)
	n, _, err := unix.Recvfrom(c.fd, buffer, unix.MSG_DONTWAIT)
	if errors.Is(err, unix.EAGAIN) {
		return
	}
	if err != nil || n == 0 {
		s.t.Fatalf("disconnected: %v", err)
	}
	c.unheard = append(c.unheard, buffer[:n]...)
}

// leave disconnects a client and waits until its locks are free.
func (s *side) leave(who int) {
	c := &s.clients[who]
	if c.fd == 0 {
		return
	}
	name, change := "processed_count", c.holds
	if c.holds == 0 && c.waits {
		name, change = "waiting_workers", -1
	}
	want := s.stat(name) + change
	_ = unix.Close(c.fd)
	*c = peer{}
	s.await(name, want)
}

func (s *side) await(name string, want int) {
	for end := time.Now().Add(patience); s.stat(name) != want; {
		if time.Now().After(end) {
			s.t.Fatalf("%s is %d, want %d", name, s.stat(name), want)
		}
	}
}

// heard returns the new answers to each client, and keeps track of holders and waits. The server sends
// the effects of a command on other clients before its own answer.
func (s *side) heard() (all [5]string) {
	for i := range s.clients {
		c := &s.clients[i]
		if c.fd == 0 {
			continue
		}
		s.receive(c)
		all[i] = string(c.unheard)
		for _, word := range bytes.Split(c.unheard, []byte("\n")) {
			c.follow(string(word))
		}
		c.unheard = c.unheard[:0]
	}
	return all
}

func (c *peer) follow(answer string) {
	switch answer {
	case "LOCKED":
		c.holds++
		c.waits = false
	case "DONE":
		c.waits = false
	case "RELEASED":
		if c.waits {
			c.waits = false
		} else {
			c.holds--
		}
	}
}
