// Package systemd tells systemd how a process is, where it listens (Type=notify,
// WatchdogSec=). Elsewhere it does nothing.
package systemd

import (
	"context"
	"log/slog"

	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/thumbmill/thumbmill/shared/periodic"
)

// Notifier tells systemd.
type Notifier struct{ log *slog.Logger }

// New makes a notifier that logs when systemd cannot be told.
func New(log *slog.Logger) Notifier { return Notifier{log} }

// Ready says that the process has started.
func (n Notifier) Ready() { n.tell(daemon.SdNotifyReady) }

// Stopping says that the process is about to end.
func (n Notifier) Stopping() { n.tell(daemon.SdNotifyStopping) }

// Beat says until ctx ends that the process lives, twice as often as the watchdog asks.
func (n Notifier) Beat(ctx context.Context) {
	every, err := daemon.SdWatchdogEnabled(false)
	if err != nil || every == 0 {
		return
	}
	periodic.Do(ctx, every/2, func(context.Context) { n.tell(daemon.SdNotifyWatchdog) })
}

func (n Notifier) tell(state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		n.log.Warn("systemd was not told", "state", state, "error", err)
	}
}
