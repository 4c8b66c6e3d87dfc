package component

import (
	"fmt"
	"slices"
	"testing"

	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

func TestFind(t *testing.T) {
	for said, want := range map[string]string{
		"rsvg-convert version 2.54.7\n":                                          "2.54.7",
		"DDJVU --- DjVuLibre-3.5.28\nDjVu decompression utility":                 "3.5.28",
		"ffmpeg version 5.1.9-0+deb12u1 Copyright (c) 2000-2026 the FFmpeg":      "5.1.9-0+deb12u1",
		"Version: ImageMagick 6.9.11-60 Q16 x86_64 2021-01-25 https://imagemagi": "6.9.11-60",
		"LIBTIFF, Version 4.5.0\nCopyright (c) 1988-1996 Sam Leffler":            "4.5.0",
		"libjpeg-turbo version 2.1.5 (build 20230203)":                           "2.1.5",
		"LCDF Gifsicle 1.93":             "1.93",
		"text without versions, 7 times": "",
	} {
		if got := Find(said); got != want {
			t.Errorf("%q: %q, want %q", said, got, want)
		}
	}
}

// An upgrade changes the engine of the types that it can fix, and no other engine.
func TestAnUpgradeChangesItsTypesAlone(t *testing.T) {
	before := Versions{
		Libvips: "8.14.1", Librsvg: "2.54.7", Poppler: "22.12.0", LibjpegTurbo: "2.1.5", Libheif: "1.15.1", Gifsicle: "1.93",
	}
	if got, want := before.Engine(thumbnail.TypeSVG), fmt.Sprintf("librsvg-2.54.7-rules-%d", thumbnail.RulesVersion); got != want {
		t.Errorf("%q, want %q", got, want)
	}
	for name, want := range map[string][]thumbnail.Type{
		Librsvg:      {thumbnail.TypeSVG},
		Poppler:      {thumbnail.TypePDF},
		LibjpegTurbo: {thumbnail.TypeJPEG},
		Libheif:      {thumbnail.TypeHEIC, thumbnail.TypeAVIF},
		Libvips: {
			thumbnail.TypeJPEG, thumbnail.TypePNG, thumbnail.TypeWebP, thumbnail.TypeTIFF, thumbnail.TypeHEIC, thumbnail.TypeAVIF,
			thumbnail.TypeJXL, thumbnail.TypeJP2, thumbnail.TypeGIF,
		},
	} {
		after := Versions{}
		for n, version := range before {
			after[n] = version
		}
		after[name] += ".1"
		for of, engine := range after.Engines() {
			changed := engine != before.Engine(of)
			if wanted := slices.Contains(want, of) || of == thumbnail.TypeUnknown; changed != wanted {
				t.Errorf("an upgrade of %s retries %s: %v, want %v", name, of, changed, wanted)
			}
		}
	}
}

func TestATypeWithoutItsOwnDecoders(t *testing.T) {
	got := Versions{Libvips: "1.0", FFmpeg: "2.0"}.Engine("later")
	if want := fmt.Sprintf("ffmpeg-2.0-libvips-1.0-rules-%d", thumbnail.RulesVersion); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
