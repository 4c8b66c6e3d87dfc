package poolcounter

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
)

// answerSlack is the time that an answer may take beyond its timeout.
const answerSlack = 2 * time.Second

// Conn is a client's connection, for one goroutine at a time. After an error all further calls fail:
// close the connection, which frees its locks and ends its wait.
type Conn struct {
	conn  net.Conn
	in    *bufio.Reader
	locks int
	// broken says that an answer is missing: the locks that the daemon holds for this connection are
	// unknown.
	broken bool
}

// Dial connects to a daemon.
func Dial(ctx context.Context, address string) (*Conn, error) {
	conn, err := DialConn(ctx, address)
	if err != nil {
		return nil, err
	}
	return &Conn{conn: conn, in: bufio.NewReader(conn)}, nil
}

// DialConn connects to host:port or unix:PATH.
func DialConn(ctx context.Context, address string) (net.Conn, error) {
	var d net.Dialer
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		return d.DialContext(ctx, "unix", path)
	}
	return d.DialContext(ctx, "tcp", address)
}

// Locks returns the number of locks that the connection holds.
func (c *Conn) Locks() int { return c.locks }

// Usable reports whether the connection never failed.
func (c *Conn) Usable() bool { return !c.broken }

// Acquire asks for a lock and waits for the answer, at most until ctx ends. A refusal is an answer, not
// an error.
func (c *Conn) Acquire(ctx context.Context, forAnyone bool, key string, l Limits) (Answer, error) {
	verb := "ACQ4ME"
	if forAnyone {
		verb = "ACQ4ANY"
	}
	line := fmt.Sprintf("%s %s %d %d %d\n", verb, key, l.Workers, l.MaxQueue, l.Timeout)
	answer, err := c.askLine(ctx, line, time.Duration(l.Timeout)*time.Second+answerSlack)
	if err != nil {
		return "", err
	}
	switch answer {
	case Locked:
		c.locks++
		return answer, nil
	case Done, QueueFull, Timeout:
		return answer, nil
	}
	c.broken = true
	return "", fmt.Errorf("poolcounter: the answer %q to %s is unknown", answer, verb)
}

// Release gives back the newest lock.
func (c *Conn) Release(ctx context.Context) error {
	answer, err := c.askLine(ctx, "RELEASE\n", answerSlack)
	if err != nil {
		return err
	}
	if answer != Released {
		c.broken = true
		return fmt.Errorf("poolcounter: the answer %q to RELEASE is not RELEASED", answer)
	}
	c.locks--
	return nil
}

// Close ends the connection; the daemon frees its locks.
func (c *Conn) Close() error { return c.conn.Close() }

func (c *Conn) askLine(ctx context.Context, line string, within time.Duration) (answer Answer, err error) {
	if c.broken {
		return "", errors.New("poolcounter: the connection failed before: close it and dial again")
	}
	defer func() { c.broken = err != nil }()
	if err := c.conn.SetDeadline(time.Now().Add(within)); err != nil {
		return "", err
	}
	stop := context.AfterFunc(ctx, func() { _ = c.conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	if _, err := c.conn.Write([]byte(line)); err != nil {
		return "", errors.Join(ctx.Err(), err)
	}
	text, err := c.in.ReadString('\n')
	if err != nil {
		return "", errors.Join(ctx.Err(), err)
	}
	return Answer(strings.TrimRight(text, "\r\n")), nil
}
