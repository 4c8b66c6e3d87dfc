package corpora

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/thumbmill/thumbmill/loadtest/tool/judge"
)

// casesVariable names the variable with the folder of small originals that once came out wrong.
const casesVariable = "THUMBMILL_CASES"

// asPNG is the request of most cases: unchanged colours, and alpha.
const asPNG = "320x0/filters:format(png)"

// mediawiki is the prefix of requests by MediaWiki's path, in which {name} stands for the
// original's name. Other requests are Thumbor's, and the name follows them.
const mediawiki = "mediawiki:"

// anything allows any picture.
var anything judge.Expectation

// Colours of several cases.
const (
	white = 0xffffffff
	black = 0x000000ff
	red   = 0xff0000ff
	lime  = 0x00ff00ff
	blue  = 0x0000ffff
	none  = 0x00000000
)

// caseTable returns the cases: file, request, right answer. Sources are the formats'
// specifications, and the decoders that the folder's README names.
func caseTable() []question {
	return slices.Concat(ofColour(), ofVideo(), ofSamples(), ofAnimation(), ofDrawings())
}

// sameAs expects the picture that a decoder draws.
func sameAs(decoders ...string) judge.Expectation { return anything.By(decoders...) }

func ofColour() []question {
	return []question{
		{"grey-1-band-with-gray-profile-1.8.png", "256x0/filters:format(png)", anything.At(.5, .5, 0x919191ff, 4)},
		{"grey-1-band-with-gray-profile-1.8.png", "256x0/filters:format(webp)", anything.As("webp").At(.5, .5, 0x919191ff, 4)},
		{"grey-1-band-with-gray-profile-1.8.png", "256x0/filters:format(avif)", anything.As("avif").At(.5, .5, 0x919191ff, 5)},
		{"grey-1-band-with-gray-profile-1.8.png", "256x0/filters:format(jpeg)", anything.As("jpeg").At(.5, .5, 0x919191ff, 5)},
		{"grey-1-band-with-gray-profile-1.8.png", "256x0/filters:blur(1):format(png)", anything.At(.5, .5, 0x919191ff, 4)},
		{"grey-ramp-in-rgb-profile-gamma-1.8.png", "256x0/filters:format(png)", anything.At(.5, .5, 0x919191ff, 4)},
		{"grey-ramp-in-rgb-profile-gamma-1.8.png", "256x0/filters:format(webp)", anything.At(.5, .5, 0x919191ff, 4)},
		{"grey-picture-with-rgb-gamma18-profile.png", asPNG, anything.At(.5, .5, 0x919191ff, 4)},
		{"grey-picture-with-rgb-gamma18-profile.png", "320x0/filters:format(jpeg)", anything.At(.5, .5, 0x919191ff, 5)},
		{"profile-named-sRGB-IEC61966-but-linear.jpg", "256x0", anything.At(.1, .5, 0xe5855fff, 8)},
		{"profile-named-sRGB-IEC61966-but-linear.jpg", "256x0/filters:format(webp)", anything.At(.1, .5, 0xe5855fff, 8)},
		{"jpeg-with-profile-red-blue-swapped.jpg", "256x0/filters:format(gif)", anything.As("gif").At(.1, .5, 0x1d3cc7ff, 8)},
		{"jpeg-with-profile-red-blue-swapped.jpg", "256x0/filters:format(png)", anything.At(.1, .5, 0x1d3cc7ff, 8)},
		{"png-gAMA-1.0.png", asPNG, anything.At(.25, .5, 0x8038a8ff, 4)},
		{"png-gAMA-1.0.png", "320x0/filters:format(jpeg)", anything.At(.25, .5, 0x8038a8ff, 6)},
		{"png-cHRM-p3.png", asPNG, anything.At(.75, .5, 0x8c2d00ff, 4)},
		{"cicp-bt2020-pq.png", asPNG, anything.At(.5, .5, 0xa8a800ff, 30)}, // by BT.2087, between the two curves; its blue is outside of sRGB,
		{"avif-nclx-p3-no-icc.avif", asPNG, anything.At(.1, .5, 0xc50000ff, 8)},
		{"avif-nclx-pq-sdr-white.avif", asPNG, anything.At(.5, .5, 0xddddddff, 36)},
		{"avif-premultiplied.avif", asPNG, anything.At(.2, .5, 0xff000080, 4).At(.8, .5, 0x00ff00ff, 4)},
		{"avif-same-not-premultiplied.avif", asPNG, anything.At(.2, .5, 0xff000080, 4).At(.8, .5, 0x00ff00ff, 4)},
		{"jxl-premultiplied-alpha-too-dark.jxl", asPNG, judge.Sized(320, 320).At(.5, .5, 0xff807f80, 4).At(.5, .75, 0xff8081bf, 4)},
		{"grey-jpeg-with-grey-gamma-1.8-profile-as-webp-has-a-grey-profile-in-rgb.jpg", "64x0/filters:format(webp)", anything.As("webp").At(.5, .5, 0x515151ff, 4)},
		{"grey-jpeg-with-grey-gamma-1.8-profile-as-webp-has-a-grey-profile-in-rgb.jpg", "64x0/filters:format(jpeg)", anything.At(.5, .5, 0x515151ff, 4)},
	}
}

func ofVideo() []question {
	return []question{
		{"video-hd-bt709-untagged.mp4", asPNG, judge.Sized(320, 180).At(.125, .5, 0xb51111ff, 6)},
		{"video-hd-bt709-tagged.mp4", asPNG, judge.Sized(320, 180).At(.125, .5, 0xb51111ff, 6)},
		{"video-pq-bt2020.mp4", asPNG, judge.Sized(320, 180).At(.125, .5, 0xf01e1eff, 60)},
		{"video-8bit-tagged-ictcp.mp4", asPNG, judge.Sized(320, 180).Drawn()},
		{"video-vp9-alpha.webm", asPNG, judge.Sized(320, 160).At(.2, .5, 0xff000080, 8).At(.8, .5, 0x00ff00ff, 8)},
		{"mp4-timestamps-from-20s-gives-first-frame.mp4", "64x0/filters:format(png)", anything.At(.5, .5, 0x5d5d5dff, 8)},
		{"webm-without-duration-gives-first-frame.webm", "64x0/filters:format(png)", anything.At(.5, .5, 0x5d5d5dff, 8)},
		{"matroska-cover-first-gives-the-cover.mkv", "64x0/filters:format(png)", judge.Sized(64, 64).At(.5, .5, 0x747474ff, 12)},
		{"rotated-sar-2-1-gives-16x64-not-32x128.mp4", "0x0", judge.Sized(32, 128).At(.5, .5, 0xfd0000ff, 6)},
	}
}

func ofSamples() []question {
	ramp := judge.Sized(320, 200).At(.1, .5, 0x191919ff, 6).At(.5, .5, 0x808080ff, 5).At(.9, .5, 0xe6e6e6ff, 6)
	return []question{
		{"tiff-grey-float32-0to1.tif", asPNG, ramp},
		{"grey-float32-0to1.tif", asPNG, sameAs("imagemagick")},
		{"tiff-grey-int16.tif", asPNG, judge.Sized(320, 200).At(.9, .5, 0xefefefff, 14)},
		{"tiff-grey-12bit.tif", asPNG, ramp},
		{"tiff-grey-float16.tif", asPNG, ramp},
		{"rgb-float16.tif", asPNG, sameAs("imagemagick")},
		{"tiff-rgb-alpha-extra.tif", asPNG, judge.Sized(320, 200).At(.05, .5, 0x10ee7fff, 6).At(.95, .5, 0xee107fff, 6)},
		{"tiff-cmyk-with-alpha.tif", asPNG, judge.Sized(320, 200).At(.05, .05, 0x11ddddb0, 127)},
		{"tiff-cmyk-with-alpha-drawn-opaque.tiff", asPNG, anything.At(.02, .02, none, 30).Drawn()},
		{"tiff-ycbcr-subsampled-422.tif", asPNG, sameAs("pillow")},
		{"tiff-old-jpeg-422.tif", asPNG, sameAs("pillow")},
		{"jxl-grey-float16-black-200.jxl", asPNG, sameAs("djxl")},
		{"jxl-spot-colour-422.jxl", asPNG, sameAs("djxl")},
		{"jpeg-transcoded-by-cjxl.jxl", asPNG, anything.At(.25, .25, red, 12).At(.75, .25, lime, 12).At(.25, .75, blue, 12)},
		{"jxl-oriented-in-codestream-and-exif.jxl", asPNG, anything.At(.25, .25, blue, 12).At(.75, .25, red, 12).At(.25, .75, 0xffff00ff, 12)},
		{"avif-alpha-lost.avif", asPNG, anything.At(.02, .02, 0xffffff80, 6)},
		{"png-trns-before-plte-422.png", asPNG, judge.Sized(320, 192).At(.5, .5, blue, 12).OrRefused()},
	}
}

func ofAnimation() []question {
	return []question{
		{"avif-animated-by-avifenc.avif", asPNG, judge.Sized(320, 160).At(.25, .25, red, 8).At(.75, .25, lime, 8)},
		{"animated-two-frames.avif", asPNG, judge.Sized(320, 240).At(.5, .5, red, 8)},
		{"avif-sequence-422.avif", asPNG, sameAs("ffmpeg-still")},
		{"animated-jxl-red-lime-blue-gives-the-LAST-frame.jxl", asPNG, anything.At(.5, .5, red, 4)},
		{"gif-frame-beyond-screen.gif", "40x0", judge.Sized(40, 30).On(0, .2, .2, red, 6).On(1, .2, .2, red, 20)},
		{"gif-frame-covers-part-no-transparency.gif", "80x0/filters:format(webp)", judge.Sized(80, 60).At(.1, .1, none, 8).At(.6, .6, red, 20)},
		{"gif-frame-covers-part-no-transparency.gif", "60x60/smart/filters:format(png)", judge.Sized(60, 60).At(.05, .05, none, 8)},
		{"gif-frame-covers-part-no-transparency.gif", "mediawiki:/40px-{name}.png", judge.Sized(40, 30).At(.1, .1, none, 8)},
		{"animation-white-with-black-floor.webp", "450x0", judge.Sized(450, 300).At(.5, 0, white, 3).At(.5, .99, black, 8)},
		{"animation-four-plain-frames.gif", "30x0", judge.Sized(30, 20).Animated(4).As("gif").On(0, .5, .5, white, 4).On(1, .5, .5, black, 4).On(3, .5, .5, red, 4)},
		{"animation-four-plain-frames.gif", "10x10:50x30/20x0", judge.Sized(20, 10).Animated(4)},
		{"animation-four-plain-frames.gif", "-30x0", judge.Sized(30, 20).Animated(4)},
		{"animation-four-plain-frames.gif", "20x20/smart", judge.Sized(20, 20).Animated(4)},
		{"animation-four-plain-frames.gif", "30x0/filters:format(webp)", judge.Sized(30, 20).Animated(4).As("webp").At(.5, .5, white, 4)},
		{"animation-four-plain-frames.webp", "30x0", judge.Sized(30, 20).Animated(4).As("webp").At(.5, .5, white, 4)},
		{"animation-four-plain-frames.webp", "10x10:50x30/20x0", judge.Sized(20, 10).Animated(4)},
		{"animation-four-plain-frames.webp", "-30x0", judge.Sized(30, 20).Animated(4)},
		{"animation-four-plain-frames.webp", "20x20/smart", judge.Sized(20, 20).Animated(4)},
		{"webp-99-frames-enlarged-20s-or-500.webp", "320x0", judge.Sized(320, 4160)},
	}
}

func ofDrawings() []question {
	return []question{
		{"two-normal-layers-legacy.xcf", "64x0/filters:format(png)", judge.Sized(64, 48).At(.1, .1, 0xc8803cff, 3).At(.6, .5, 0x285ac8ff, 3)},
		{"gimp-2.10-default-layers-v011.xcf", "64x0/filters:format(png)", judge.Sized(64, 48).At(.1, .1, 0xff8000ff, 3).At(.6, .5, blue, 3)},
		{"gimp-legacy-layer-v0.xcf", "64x0/filters:format(png)", judge.Sized(64, 48).At(.1, .1, 0xff8000ff, 3).At(.6, .5, 0xff8000ff, 3)},
		{"lang-zh-hans-zh-hant.svg", "mediawiki:/langzh-hant-100px-{name}.png", anything.At(.5, .5, lime, 3)},
		{"lang-zh-hans-zh-hant.svg", "mediawiki:/langzh-hans-100px-{name}.png", anything.At(.5, .5, red, 3)},
		{"svg-data-image-jpg-picture-missing-200.svg", asPNG, judge.Sized(320, 320).Drawn().At(.5, .5, white, 200)},
		{"svg-feDropShadow-imgproxys-own-test-blank-200.svg", asPNG, judge.Sized(320, 160).At(.5, .5, red, 8).At(.02, .05, white, 8)},
		{"svg-gnome-planner-shadow-not-blurred.svg", asPNG, anything.At(.88, .625, 0x00000040, 52)},
		{"svg-0.4px-wide.svg", "100x0/filters:format(png)", judge.Sized(100, 50).At(.5, .5, red, 3)},
		{"pdf-page-2x1pt.pdf", "100x0/filters:format(png)", judge.Sized(100, 50).At(.5, .5, blue, 8)},
		{"svgz-400.svgz", asPNG, sameAs("rsvg-convert")},
		{"pdf-japanese-not-embedded-blank-without-poppler-data.pdf", asPNG, judge.Sized(320, 80).Drawn()},
		{"pdf-checkbox-zapfdingbats-not-embedded.pdf", asPNG, anything.Drawn().By("mutool")},
		{"pdf-jbig2-blank-page.pdf", asPNG, anything.Drawn().By("mutool")},
		{"pdf-image-decodes-wrong-colours.pdf", "900x0/filters:format(png)", sameAs("mutool").At(.217, .844, 0xffff00ff, 20)},
		{"pdf-link-annotation-paints-blue-over-text.pdf", asPNG, judge.Sized(320, 64).At(.02, .1, white, 8).Drawn()},
		{"pdf-cropbox-outside-mediabox-refused.pdf", asPNG, judge.Sized(320, 213).At(.2, .8, red, 8).At(.8, .2, blue, 8).At(.2, .2, white, 8)},
		{"jp2-tile-parts-422.jp2", asPNG, sameAs("opj_decompress").OrRefused()},
		{"jpeg-14-junk-bytes-before-DQT-422.jpg", asPNG, sameAs("pillow", "imagemagick", "djpeg")},
		{"jpeg-app14-one-byte-short-422.jpg", asPNG, sameAs("pillow", "imagemagick", "djpeg")},
		{"jpeg-photoshop-16-junk-bytes-before-APP1-422.jpg", asPNG, sameAs("pillow", "imagemagick", "djpeg")},
		{"jpeg-lossless-422.jpg", asPNG, anything.OrRefused()},
		{"stl-ascii-in-capitals-422.stl", asPNG, anything.Drawn()},
		{"stl-flat-triangle-edge-on-empty-200.stl", asPNG, anything.Drawn()},
		{"stl-ascii-on-one-line-refused.stl", asPNG, anything.Drawn()},
		{"stl-binary-with-two-bytes-after-refused.stl", asPNG, anything.Drawn()},
		{"svg-size-by-style-attribute-is-distorted.svg", "100x0/filters:format(png)", roundDisc()},
		{"svg-width-10em-font-size-20-is-distorted.svg", "100x0/filters:format(png)", roundDisc()},
	}
}

// roundDisc is a disc of 40 × 40 in the left half of 100 pixels.
func roundDisc() judge.Expectation {
	e := judge.Sized(100, 50)
	return e.At(.25, .5, red, 3).At(.07, .5, red, 40).At(.43, .5, red, 40).At(.25, .14, red, 40).At(.25, .86, red, 40).At(.02, .5, none, 3)
}

// The answers are right by the folder's README.
func TestCases(t *testing.T) {
	dir := os.Getenv(casesVariable)
	if dir == "" {
		t.Skipf("%s is not set: set it to the folder of the cases", casesVariable)
	}
	originals := t.TempDir()
	copyFiles(t, dir, originals)
	gif2webp(t, filepath.Join(originals, "animation-four-plain-frames.gif"))
	ask(t, originals, caseTable(), caseNotYet())
}
