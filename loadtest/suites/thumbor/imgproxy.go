package thumbor

import "strings"

// imgproxysOptions are the options of the compared URLs of imgproxy, separated by spaces: each documented one of the
// open version that thumbmill renders, and combinations of them.
const imgproxysOptions = `
	rs:fit:150:100 rs:fit:150 rs:fit:0:90 rs:fit:900:900 rs:fit:900:900:1 s:100:50 w:77 h:77 rs:fit:64:64:0:1 rs:fit:400:400:0:1:no rs:fit:400:400:1:1:soea
	rs:fill:150:100 rs:fill:60:100 rs:fill:100:60 rs:fill:900:100 rs:fill:900:900 rs:fill:500:400:1 rs:fill:100 rs:fill:0:50
	rs:fill:80:120/g:no rs:fill:80:120/g:we rs:fill:80:120/g:ea rs:fill:120:40/g:so rs:fill:120:40/g:noea rs:fill:80:120/g:we:20 rs:fill:80:120/g:ea:0.2 rs:fill:60:120/g:ce:30
	rs:fill:60:120/g:fp:0.1:0.5 rs:fill:60:120/g:fp:0.9:0.5 rs:fill:120:30/g:fp:0.5:0.9
	rs:fill-down:150:100 rs:fill-down:900:900 rs:fill-down:900:300 rs:fill-down:300:900/g:we
	rs:force:150:40 rs:force:100 rs:force:900:50 rs:force:500:500:1 rs:auto:90:60 rs:auto:60:90 rs:auto:90:90
	w:60/dpr:2 w:60/dpr:1.5 rs:fill:60:60/dpr:2 rs:fill:140:140/dpr:3 rs:fill:60:60/g:we:10/dpr:2 w:60/z:2 w:60/z:0.5:1.5 z:0.5 z:0.5:0.25 w:60/mw:90 h:60/mh:90
	c:100:100 c:100:100:nowe c:100:100:soea:10:5 c:0.5:0.5 c:0.5:1:ea c:100:100:fp:0.2:0.8 c:100:100/rs:fit:50:50 c:80:120/g:no/rs:fill:40:40 c:100:0:we
	rot:90 rot:180 rot:270 rot:90/w:60 rs:fill:60:90/rot:90 rs:fill:60:90/rot:90/g:no rs:fill:60:90/rot:270/g:we c:60:100:nowe/rot:90 fl:1:0 fl:0:1 fl:1:1 rs:fill:60:90/fl:1/g:we rs:fill:60:90/rot:90/fl:0:1/g:soea:5:10
	ex:1/rs:fit:300:300 rs:fit:300:300/ex:1:so rs:fit:300:300/ex:1:we:10:5 rs:fit:100:100/exar:1 rs:fit:100:100/exar:1:no rs:fit:300:300/ex:1/rot:90/g:no
	pd:10 pd:10:20 pd:1:2:3:4 w:100/pd:10/bg:ff0000 w:60/pd:10:5/dpr:2 pd:10:20:30:40/rot:90/bg:0000ff w:100/pd:5:10:15:20/fl:1:0/bg:00ff00
	bg:255:0:128 bg:0f0 w:100/bg:ff8800 bl:1 bl:3 w:100/bl:2 sh:0.5 sh:1 w:100/sh:0.7 ar:0 ar:0/w:80 ar:0/rot:90
	t:10 t:10/w:60 t:30/rs:fill:60:60 q:30 q:95/w:100 sm:0 scp:1 kcr:0 cb:7 pix:1 el:1/w:400
`

// ImgproxyURLs returns the compared URLs of imgproxy, after the signature.
func ImgproxyURLs() (urls []string) {
	for _, options := range strings.Fields(imgproxysOptions) {
		for _, image := range []string{"photo.jpg", "rgba.png"} {
			if image == "rgba.png" && !strings.ContainsAny(options, "cepb") { // transparency shows on a canvas
				continue
			}
			urls = append(urls, options+"/plain/local:///"+image+"@png")
		}
		if strings.HasPrefix(options, "t:") {
			urls = append(urls, options+"/plain/local:///border.png@png")
		}
		if strings.Contains(options, "ar:") || strings.Contains(options, "rot:") || strings.HasPrefix(options, "c:") {
			urls = append(urls, options+"/plain/local:///turned.jpg@png")
		}
	}
	for _, image := range []string{"photo.jpg", "grey.jpg", "cmyk.jpg", "pic.webp", "still.gif", "deep.png", "rgba.png"} {
		for _, end := range []string{"", "@png", "@jpg", "@webp"} {
			urls = append(urls, "rs:fit:100:100/plain/local:///"+image+end)
		}
	}
	return urls
}
