package serve

import (
	"fmt"
	"io"

	"github.com/thumbmill/thumbmill/deploy/samples"
)

// invite prints what a newcomer can click on.
func invite(out io.Writer, drawn []samples.Sample, addresses map[string]string, tokenFile string) {
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(out, format+"\n", args...) }
	base, admin := addresses["http"], addresses["admin"]
	say("\nThumbnails to look at (the first time rendered, then served from the store):")
	for _, s := range drawn {
		say("  %s/unsafe/330x/%s   (%s)", base, s.Name, s.Shows)
	}
	say("  %s/unsafe/300x300/smart/filters:format(webp)/landscape.jpg   (cut to a square, as WebP)", base)
	say("  %s/wikipedia/commons/thumb/a/ab/Landscape.jpg/330px-Landscape.jpg   (MediaWiki's path)", base)
	say("Operators' page: %s/   (to look; to act takes the token in %s)", admin, tokenFile)
	say("The same from a terminal: bin/thumbmill top --admin %s", admin)
	say("Health: %s/healthcheck   Ready: %s/readyz   Metrics: %s/metrics\n\nCtrl-C stops everything.", base, admin, admin)
}
