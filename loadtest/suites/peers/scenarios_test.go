package peers

import (
	"fmt"
	"testing"
)

// scenarios returns the scenarios. A user chooses one by name: make bench-peers SCENARIO=mix. If all run,
// each requests less in a round, and rare formats are left out, so that a run takes about twenty minutes.
func scenarios(all bool) []scenario {
	count := func(alone, amongAll int) int { return map[bool]int{false: alone, true: amongAll}[all] }
	widths := func(first, n int) func([]string, int) []request {
		return func(originals []string, round int) []request { return across(originals, "", round, first, n) }
	}
	originals := count(60, 20)
	main := []scenario{
		{
			name: "mix", what: "photographs at about 320 pixels, JPEG at quality 80", prepare: photographs, clients: 8, against: contestants,
			requests: widths(282, 8), bounds: []bound{processorTime(0.55), thumbnailsPerSecond(1.7)},
		},
		{
			name: "memory", what: "as mix, for longer", prepare: photographs, clients: 8, against: withFewArenas,
			requests: widths(200, count(24, 12)), bounds: []bound{memoryAtMost(0.55)},
		},
		{
			name: "cameras", what: "as memory, of photographs of 12 to 24 megapixels with 5 to 10 MB", prepare: fromCameras, clients: 8, against: withFewArenas,
			requests: widths(200, count(12, 6)), bounds: []bound{memoryAtMost(0.55)},
		},
		{
			name: "progressive", what: "progressive photographs at an eighth or less", prepare: progressive, clients: 8, against: contestants,
			requests: widths(100, count(6, 3)), bounds: []bound{processorTime(0.3)},
		},
		{
			name: "mediawiki", what: "photographs at about 330 pixels, on MediaWiki's path, which sharpens", prepare: uploads, clients: 8, against: earlier,
			requests: widths(300, count(6, 3)), bounds: []bound{processorTime(0.45), milliseconds(1900.0 / 20)}, // Wikimedia's plugins take 1.9 s
		},
		{
			name: "sizes", what: fmt.Sprintf("six standard sizes of each of %d photographs, asked for together", originals), prepare: copies(originals), clients: 48, against: contestants,
			requests: standardSizes, bounds: []bound{ofTheFastest(4)},
		},
	}
	each := count(4, 2)
	main = append(main, formats("png", "png", each), formats("webp", "webp", each), formats("avif", "avif", each), formats("gif", "gif", each),
		formats("svg", "png", 4), formats("jpg", "webp", each), formats("jpg", "png", each), formats("jpg", "avif", each), formats("png", "webp", each))
	if all {
		return main
	}
	return append(main, formats("png", "avif", each), formats("webp", "avif", each), formats("avif", "webp", each), formats("png", "jpg", each), formats("webp", "jpg", each))
}

// few clients are enough to compare processor time. With more clients, slow decoders make requests
// wait until a server refuses them: imgproxy after ten seconds, thumbmill after throttle.queue_wait.
const few = 2

// formats returns the scenario of originals of a type and thumbnails of a format, with so many widths of each.
func formats(original, format string, widths int) scenario {
	return scenario{
		name: original + "-" + format, what: fmt.Sprintf("%s originals at about 320 pixels, as %s", original, format), clients: few, against: contestants,
		prepare:  func(b *testing.B, dir string) []string { return drawOthers(b, dir, original) },
		requests: func(originals []string, round int) []request { return across(originals, format, round, 290, widths) },
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
