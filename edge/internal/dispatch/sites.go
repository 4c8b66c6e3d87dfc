package dispatch

import (
	"cmp"
	"context"
	"slices"

	"github.com/nats-io/nuid"

	"github.com/thumbmill/thumbmill/shared/renderjob"
)

// isLost reports whether no renderer of the site that has the job lives, while another site could take the job. The caller
// holds the mutex.
func (h *Handle) isLost() bool {
	d := h.dispatcher
	if h.site != "" {
		return !d.fleet.Lives(h.site)
	}
	stays := h.job.Lane == renderjob.LaneBulk || d.fleet.Lives(d.settings.Site)
	return !stays && slices.ContainsFunc(d.settings.Overflow, d.fleet.Lives)
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
	site, before := d.fleet.Choose(h.job.Lane), h.sequence
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
