package tools

import (
	"fmt"
	"os/exec"
	"testing"

	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

func TestPopplerLacksAFont(t *testing.T) {
	for line, want := range map[string]bool{
		"Impact                               TrueType          WinAnsi          no  no  yes     86  0": true,
		"Helvetica,Bold                       TrueType          WinAnsi          no  no  no      14  0": true,
		"Gill Sans                            Type 1C (OT)      Custom           no  no  no      14  0": true,
		"Calibri                              CID TrueType      Identity-H       no  no  no      37  0": true,
		"ArialMT                              CID TrueType      Identity-H       no  no  yes      7  0": false, // its text is known
		"Ryumin-Light-90ms-RKSJ-H             CID Type 0        90ms-RKSJ-H      no  no  no       7  0": false,
		"Helvetica                            Type 1            WinAnsi          no  no  no       5  0": false,
		"TimesNewRomanPS-BoldItalicMT         TrueType          WinAnsi          no  no  no       5  0": false,
		"Times-BoldItalic                     Type 1            Standard         no  no  no       5  0": false,
		"LSEUIL+HelveticaNeue-Light           TrueType          MacRoman         yes yes no    1471  0": false,
		"name                                 type              encoding         emb sub uni object ID": false,
		"": false,
	} {
		if got := misplaced(line); got != want {
			t.Errorf("%q: %v, want %v", line, got, want)
		}
	}
}

func TestPopplerMisdrawsAPaint(t *testing.T) {
	for line, want := range map[string]bool{
		"\t1\t(5 0 R):\t[ CCITTFax ] 2480x1748 1bpc CalGray (9 0 R)": true,
		"\t1\t(5 0 R):\t[ Raw ] 1x1 8bpc DevGray (9 0 R)":            false,
		"\t1\t(3 0 R):\tTiling Colored No distortion (5 0 R)":        true,
		"\t1\t(3 0 R):\tShading Axial (5 0 R)":                       false,
		"<</Title(CalGray Tiling )>>":                                false,
	} {
		if got := oddPaint.MatchString("Page 1:\nImages (1):\n" + line + "\n"); got != want {
			t.Errorf("%q: %v, want %v", line, got, want)
		}
	}
}

// pageOf returns a PDF of one page of 160 × 120 points. The numbers of further objects start at 5.
func pageOf(entries, content string, objects ...string) string {
	body := "%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n" +
		"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 160 120]/Contents 4 0 R" + entries + ">>endobj\n" +
		fmt.Sprintf("4 0 obj<</Length %d>>stream\n%s\nendstream endobj\n", len(content), content)
	for i, o := range objects {
		body += fmt.Sprintf("%d 0 obj%s endobj\n", i+5, o)
	}
	return body + "trailer<</Root 1 0 R>>\n"
}

func TestNoMorePagesAreCountedThanBytes(t *testing.T) {
	for body, want := range map[string]string{
		"/Kids[3 0 R]/Count 9999999999>> /Type/Page>>":                         "/Kids[3 0 R]/Count          1>> /Type/Page>>",
		"/Count 99999999999999999999999>> /Type /Page /Type/Page/ /Type/Pages": "/Count                       2>> /Type /Page /Type/Page/ /Type/Pages",
		"/Count\n5000":               "/Count    1",
		"/Count 10 /Type/Page>>":     "/Count 10 /Type/Page>>",
		"/Count -999999999999":       "/Count -999999999999",
		"/Counts 999999 /Count (12)": "/Counts 999999 /Count (12)",
	} {
		got := []byte(body)
		if lowered := lowerCounts(got); string(got) != want || lowered != (body != want) {
			t.Errorf("%q: %q, %v; want %q", body, got, lowered, want)
		}
	}
}

// MuPDF decides about links, and draws pages that poppler draws wrongly.
func TestPagesOfBothEngines(t *testing.T) {
	if _, err := exec.LookPath("mutool"); err != nil {
		t.Skip("mutool is not installed")
	}
	const paint = "1 0 0 rg 0 0 160 120 re f"
	link := "/Annots[<</Type/Annot/Subtype/Link/Rect[70 10 90 110]/Border[0 0 50]/C[0 0 1]>>%s]"
	const function = "{pop floor 2 mod 0 mul 1 add 0 0}" // poppler knows mod of whole numbers only
	shading := "<</ShadingType 1/ColorSpace/DeviceRGB/Domain[0 160 0 120]/Function 6 0 R>>"
	calculated := fmt.Sprintf("<</FunctionType 4/Domain[0 160 0 120]/Range[0 1 0 1 0 1]/Length %d>>stream\n%s\nendstream", len(function), function)
	const paper = "<</Subtype/Image/Width 1/Height 1/BitsPerComponent 8/ColorSpace[/CalGray<</WhitePoint[0.9505 1 1.089]/Gamma 2.2>>]" +
		"/Filter/ASCIIHexDecode/Length 3>>stream\nff>\nendstream" // poppler's paper is yellow
	for name, c := range map[string]struct {
		body   string
		middle [3]uint8
	}{
		"a scan in calibrated grey":                {pageOf("/Resources<</XObject<</I 5 0 R>>>>", "q 160 0 0 120 0 0 cm /I Do Q", paper), [3]uint8{255, 255, 255}},
		"the frame of a link":                      {pageOf(fmt.Sprintf(link, ""), paint), red},
		"a frame beside another annotation":        {pageOf(fmt.Sprintf(link, "<</Type/Annot/Subtype/Square/Rect[0 0 1 1]>>"), paint), blue},
		"a function that poppler cannot calculate": {pageOf("/Resources<</Shading<</S 5 0 R>>>>", "/S sh", shading, calculated), red},
	} {
		t.Run(name, func(t *testing.T) {
			body, err := work(t, Request{Work: Draw, Spec: thumbnail.Spec{Type: thumbnail.TypePDF}}, []byte(c.body))
			if err != nil {
				t.Fatal(err)
			}
			if _, _, middle := raster(t, body); middle != c.middle {
				t.Errorf("the middle is %v, want %v", middle, c.middle)
			}
		})
	}
}
