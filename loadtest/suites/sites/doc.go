// Package sites has only tests, of three sites with a queue each: NATS servers of a super-cluster, and a leaf node in each
// site that has the site's queue. Edges send jobs to other sites while their own has no free slot, and a site is lost.
package sites
