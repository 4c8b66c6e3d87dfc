package dispatch

import (
	"cmp"
	"context"
	"slices"

	"github.com/nats-io/nuid"

	"github.com/thumbmill/thumbmill/shared/renderjob"
)

// Sites are the sites whose queues take jobs. Their methods must not call the dispatcher.
type Sites interface {
	// Choose returns the site whose queue gets the next job of a lane, or "" for the edge's own.
	Choose(renderjob.Lane) (site string)
	// Lives reports whether a renderer of a site lives.
	Lives(site string) bool
}

// Abandon tells the flights of published jobs to look again if their sites have no renderers: Restore then moves the jobs.
// The caller calls it again and again.
func (d *Dispatcher) Abandon() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, h := range d.open {
		if !h.published.IsZero() && h.isLost() {
			h.lookAgain()
		}
	}
}

// isLost reports whether no renderer of the site that has the job lives, while another site could take the job. The caller
// holds the mutex.
func (h *Handle) isLost() bool {
	d := h.dispatcher
	if h.site != "" {
		return !d.sites.Lives(h.site)
	}
	stays := h.job.Lane == renderjob.LaneBulk || d.sites.Lives(d.settings.Site)
	return !stays && slices.ContainsFunc(d.settings.Overflow, d.sites.Lives)
}

// place returns the site that has the job, or "" for this edge's, and reports whether the job is lost there.
func (h *Handle) place() (site string, lost bool) {
	h.dispatcher.mu.Lock()
	defer h.dispatcher.mu.Unlock()
	return h.site, h.isLost()
}

func (h *Handle) setSite(site string) {
	h.dispatcher.mu.Lock()
	defer h.dispatcher.mu.Unlock()
	h.site = site
}

// isElsewhere reports whether the job moved away from the site of a renderer that asks for it: the renderer pulled an
// earlier message of the job. A renderer that names no site may have the job. The caller holds the mutex.
func (h *Handle) isElsewhere(asking string) bool {
	return asking != "" && asking != cmp.Or(h.site, h.dispatcher.settings.Site)
}

// move publishes the job at another site than the lost one. The earlier message does no harm: a renderer that pulls it
// after all learns from the edge that the job moved. If no other site takes the job, it stays in this edge's own queue.
func (h *Handle) move(ctx context.Context, lost string) error {
	d, id := h.dispatcher, h.job.ID+"-"+nuid.Next()
	if lost != "" {
		d.log.Info("publish a job again that a lost site has", "job", h.job.ID, "site", lost)
		return h.publish(ctx, id)
	}
	site, before := d.sites.Choose(h.job.Lane), h.sequence
	if site == "" {
		return nil
	}
	d.log.Info("publish a job at another site, since no renderer of its own lives", "job", h.job.ID, "site", site)
	if err := h.publishOnce(ctx, id, site); err != nil {
		h.setSite("")
		return err
	}
	d.delete(ctx, h.job.ID, before)
	return nil
}
