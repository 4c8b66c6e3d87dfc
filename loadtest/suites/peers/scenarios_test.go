package peers

import (
	"fmt"
	"testing"
)

// scenarios returns the scenarios. A user chooses one by name: make bench-peers SCENARIO=mix.
func scenarios() []scenario {
	return []scenario{
		{
			name: "mix", what: "photographs at about 320 pixels, JPEG at quality 80", prepare: photographs, clients: 8, against: contestants,
			requests: func(originals []string, round int) []request { return across(originals, "", round, 282, 8) },
			bounds:   []bound{processorTime(0.55), thumbnailsPerSecond(1.7)},
		},
		{
			name: "memory", what: "as mix, for longer", prepare: photographs, clients: 8, against: withFewArenas,
			requests: func(originals []string, round int) []request { return across(originals, "", round, 200, 24) },
			bounds:   []bound{memoryAtMost(0.55)},
		},
		{
			name: "progressive", what: "progressive photographs at an eighth or less", prepare: progressive, clients: 8, against: contestants,
			requests: func(originals []string, round int) []request { return across(originals, "", round, 100, 6) },
			bounds:   []bound{processorTime(0.3)},
		},
		{
			name: "mediawiki", what: "photographs at about 330 pixels, on MediaWiki's path, which sharpens", prepare: uploads, clients: 8, against: earlier,
			requests: func(originals []string, round int) []request { return across(originals, "", round, 300, 6) },
			bounds:   []bound{processorTime(0.45), milliseconds(1900.0 / 20)}, // Wikimedia's plugins take 1.9 s
		},
		{
			name: "sizes", what: "six standard sizes of each of 60 photographs, asked for together", prepare: sixty, clients: 48, against: contestants,
			requests: standardSizes,
			bounds:   []bound{ofTheFastest(4)},
		},
		formats("png", "png"), formats("webp", "webp"), formats("avif", "avif"), formats("gif", "gif"), formats("svg", "png"),
		formats("jpg", "webp"), formats("jpg", "png"), formats("jpg", "avif"), formats("png", "webp"), formats("png", "avif"),
	}
}

// few clients are enough to compare processor time. With more clients, slow decoders make requests
// wait until a server refuses them: imgproxy after ten seconds, thumbmill after throttle.queue_wait.
const few = 2

// formats returns the scenario of originals of a type and thumbnails of a format.
func formats(original, format string) scenario {
	return scenario{
		name: original + "-" + format, what: fmt.Sprintf("%s originals at about 320 pixels, as %s", original, format), clients: few, against: contestants,
		prepare:  func(b *testing.B, dir string) []string { return drawOthers(b, dir, original) },
		requests: func(originals []string, round int) []request { return across(originals, format, round, 290, 4) },
		bounds:   []bound{ofTheLeast(1.05)},
	}
}

// across requests the given number of new widths of each original.
func across(originals []string, format string, round, first, widths int) (all []request) {
	for i := range widths {
		for _, o := range originals {
			all = append(all, request{o, format, first + (round+1)*widths + i})
		}
	}
	return all
}

// standardSizes requests six of MediaWiki's sizes of each original of a round.
func standardSizes(originals []string, round int) (all []request) {
	for _, o := range originals {
		for _, width := range []int{120, 250, 330, 500, 960, 1280} {
			all = append(all, request{ofRound(o, round), "", width})
		}
	}
	return all
}

// ofRound returns an original's name in a round. No server has its thumbnails yet.
func ofRound(original string, round int) string { return fmt.Sprintf("round%d-%s", round+1, original) }
