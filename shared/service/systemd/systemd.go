// Package systemd reports a process's state to systemd (Type=notify, WatchdogSec=). Without systemd it
// does nothing.
package systemd

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/thumbmill/thumbmill/shared/periodic"
)

// Notifier sends messages to systemd.
type Notifier struct{ log *slog.Logger }

// New makes a notifier that logs its failures.
func New(log *slog.Logger) Notifier { return Notifier{log} }

// Ready reports that the process has started.
func (n Notifier) Ready() { n.tell(daemon.SdNotifyReady) }

// Stopping reports that the process ends within a time, which may be longer than TimeoutStopSec of its unit.
func (n Notifier) Stopping(within time.Duration) {
	n.tell(fmt.Sprintf("%s\nEXTEND_TIMEOUT_USEC=%d", daemon.SdNotifyStopping, within.Microseconds()))
}

// Beat reports until ctx ends that the process lives, twice in each interval of the watchdog.
func (n Notifier) Beat(ctx context.Context) {
	every, err := daemon.SdWatchdogEnabled(false)
	if err != nil || every == 0 {
		return
	}
	periodic.Do(ctx, every/2, func(context.Context) { n.tell(daemon.SdNotifyWatchdog) })
}

func (n Notifier) tell(state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		n.log.Warn("report the state to systemd", "state", state, "error", err)
	}
}
