package credentials

import (
	"github.com/nats-io/jwt/v2"

	"github.com/thumbmill/thumbmill/shared/queue"
	"github.com/thumbmill/thumbmill/shared/renderjob"
)

// Role is a role that connects to NATS.
type Role string

// The roles that connect to NATS. A coordinator does not.
const (
	Edge     Role = "edge"
	Renderer Role = "renderer"
)

// leaf is the queue's servers of a site, which connect to the site's core server as leaf nodes.
const leaf Role = "leaf"

// Roles returns all roles.
func Roles() []Role { return []Role{Edge, Renderer} }

// Permissions returns the subjects that a role may publish and subscribe to. Roles may answer requests.
func (r Role) Permissions(uploads string) jwt.Permissions {
	p := jwt.Permissions{Resp: &jwt.ResponsePermission{MaxMsgs: 1}}
	if r == leaf {
		p.Pub.Allow.Add(crossing(uploads)...)
		p.Sub.Allow.Add(crossing(uploads)...)
		return p
	}
	p.Sub.Allow.Add(queue.Inbox(string(r)) + ".>")
	switch r {
	case Edge:
		p.Pub.Allow.Add(edgeSays()...)
		p.Sub.Allow.Add(renderjob.ResultSubject("*"), renderjob.AllHeartbeats, renderjob.AllEdges)
		if uploads != "" {
			p.Sub.Allow.Add(uploads)
		}
	case Renderer:
		p.Pub.Allow.Add(rendererSays()...)
		p.Sub.Allow.Add(renderjob.PurgeSubject, renderjob.ControlSubject("*"), renderjob.HandOverSubject("*"))
		p.Sub.Allow.Add(queue.ConsumerChanges()...)
	}
	return p
}

// crossing returns the subjects that pass between sites: everything but each site's own queue, the calls of JetStream,
// and jobs that renderers of one site hand to each other.
func crossing(uploads string) []string {
	all := []string{
		queue.Inbox(">"), renderjob.ResultSubject("*"), renderjob.AllHeartbeats, renderjob.AllEdges, renderjob.ControlSubject("*"),
		renderjob.Lane("*").SiteSubject("*"),
	}
	if uploads != "" {
		all = append(all, uploads)
	}
	return all
}

// edgeSays returns the subjects that edges publish: jobs, directives and purges. Edges also make
// the stream.
func edgeSays() []string {
	all := []string{renderjob.AllEdges, renderjob.ControlSubject("*"), renderjob.HandOverSubject("*"), renderjob.Lane("*").SiteSubject("*")}
	for _, lane := range renderjob.Lanes() {
		all = append(all, lane.Subject())
	}
	for _, call := range []string{"STREAM.CREATE", "STREAM.UPDATE", "STREAM.INFO", "STREAM.MSG.GET", "STREAM.MSG.DELETE"} {
		all = append(all, "$JS.API."+call+"."+queue.Stream)
	}
	for _, lane := range renderjob.Lanes() {
		consumer := queue.Stream + "." + lane.Consumer()
		all = append(all, "$JS.API.CONSUMER.CREATE."+consumer+".>", "$JS.API.CONSUMER.INFO."+consumer)
	}
	return all
}

// rendererSays returns the subjects that renderers publish: results, heartbeats, forgotten
// originals, and jobs that they hand back.
func rendererSays() []string {
	all := []string{renderjob.ResultSubject("*"), renderjob.AllHeartbeats, renderjob.ForgetSubject, renderjob.HandOverSubject("*"), "$JS.API.STREAM.INFO." + queue.Stream}
	for _, lane := range renderjob.Lanes() {
		consumer := queue.Stream + "." + lane.Consumer()
		all = append(all, lane.Subject(), "$JS.API.CONSUMER.INFO."+consumer, "$JS.API.CONSUMER.MSG.NEXT."+consumer, "$JS.ACK."+consumer+".>")
	}
	return all
}
