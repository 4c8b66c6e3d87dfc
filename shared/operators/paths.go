package operators

// Paths of the operators' listener. Every process serves Access, Ready and Metrics. A coordinator
// serves Throttles, Directives and the paths below them; an edge serves the others.
const (
	Metrics = "/metrics"
	Alive   = "/healthz"
	Ready   = "/readyz"
	Access  = "/api/v1/access"

	Throttles         = "/api/v1/throttles"
	ThrottlesStream   = "/api/v1/throttles/stream"
	ThrottlesHistory  = "/api/v1/throttles/history"
	ThrottlesRequests = "/api/v1/throttles/requests"
	ThrottlesTable    = "/api/v1/throttles/table"
	Directives        = "/api/v1/directives"
	DirectivesAudit   = "/api/v1/directives/audit"

	Failing = "/api/v1/failing"
	Purge   = "/api/v1/purge"
	Render  = "/api/v1/render"
)
