package commands

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/thumbmill/thumbmill/shared/operators"
	"github.com/thumbmill/thumbmill/shared/operators/client"
	"github.com/thumbmill/thumbmill/shared/periodic"
)

// silence is the time without a report after which watch gives the stream up. The stream sends a report
// each second.
const silence = 5 * time.Second

var errStreamEnded = errors.New("the stream ended")

// keepWatching watches again after the stream of a coordinator has ended, for example by a restart.
func keepWatching(ctx context.Context, from *client.Client, to screen) error {
	err := watch(ctx, from, to)
	for answered := errors.Is(err, errStreamEnded); answered && err != nil && ctx.Err() == nil; err = watch(ctx, from, to) {
		_, _ = fmt.Fprintf(os.Stderr, "%s: %v: try again\n", from.URL, err)
		if periodic.Sleep(ctx, time.Second) != nil {
			return nil
		}
	}
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// watch shows each report of the stream.
func watch(ctx context.Context, from *client.Client, to screen) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	watchdog := time.AfterFunc(silence, cancel)
	defer watchdog.Stop()
	body, err := from.Open(ctx, http.MethodGet, operators.ThrottlesStream, nil)
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	for lines := bufio.NewReader(body); ; {
		line, err := lines.ReadString('\n')
		watchdog.Reset(silence)
		if err != nil {
			return errStreamEnded
		}
		if data, ok := strings.CutPrefix(line, "data: "); ok {
			if err := to.renew([]byte(data)); err != nil {
				return err
			}
		}
	}
}
