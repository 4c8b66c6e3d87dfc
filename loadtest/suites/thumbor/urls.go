package thumbor

import "strings"

// originals are requested with every option.
var originals = []string{
	"photo.jpg", "cmyk.jpg", "grey.jpg", "rgba.png", "deep.png", "turned.jpg", "pic.webp", "still.gif", "anim.gif",
}

var geometries = strings.Fields(`
	150x100 150x x100 150x0 0x100 0x0 -150x100 150x-100 -150x-100 -0x-0 50x200 200x50 500x450
	origxorig origx50 50xorig fit-in/150x100 fit-in/50x150 fit-in/2000x2000 full-fit-in/150x100
	full-fit-in/50x150 full-fit-in/600x500 adaptive-fit-in/150x100 adaptive-fit-in/100x150
	adaptive-full-fit-in/100x150 fit-in/-100x-50 5x5:80x60 5x5:80x60/50x50 25x10:5000x5000/60x
	150x150:100x100 trim trim:top-left:50 trim:bottom-right:100/100x100 100x100/left 100x100/right
	100x100/top 100x100/bottom 100x100/left/top 100x100/right/bottom 50x200/center/middle 2x150 150x2
	fit-in/150x fit-in/x100 fit-in/origx50 full-fit-in/75x debug/100x100 75x49 166x38`)

// filterTexts are requested at one size, and the same size is requested without them.
var filterTexts = strings.Fields(`
	brightness(20) brightness(-40) contrast(30) contrast(-50) rgb(20,-10,50) colorize(40,20,60,00ff00)
	blur(3) blur(10,4) blur(30) blur(0) grayscale() saturation(1.5) saturation(0) saturation(-1)
	sharpen(2,1.0,true) sharpen(1.5,0.5,false) equalize() noise(30,5) rotate(90) rotate(180) rotate(45)
	rotate(-90) round_corner(20,255,255,255) round_corner(20|40,255,0,0) round_corner(1000,0,0,0)
	convolution(1;2;1;2;4;2;1;2;1,3,true) convolution(-1;-1;-1;-1;8;-1;-1;-1;-1,3,false)
	curve([(0,255),(255,0)],[(0,0),(255,255)],[(0,0),(255,255)],[(0,0),(255,255)])
	curve([(0,0),(255,255)],[(0,50),(92,120),(255,254)],[(0,0),(64,59),(255,252)],[(0,48),(255,225)])
	background_color(red) background_color(00ff00) fill(blue) fill(auto) fill(blur) fill(green,true)
	quality(20) format(png) format(webp) format(bmp) max_bytes(3000) strip_icc() no_upscale() upscale()
	stretch() proportion(0.5) proportion(2) focal(10x10:60x60) focal(bad) max_age(60)
	watermark(mark.png,10,10,0) watermark(mark.png,-10,-20,50) watermark(mark.png,center,center,0)
	watermark(mark.png,repeat,repeat,50) watermark(mark.png,repeat,0,0) watermark(mark.png,10p,-20p,0)
	watermark(mark.png,10,10,0,20) watermark(mark.png,10,10,0,none,30) watermark(nothere.png,10,10,0)
	unknown(3) brightness() brightness(a) rgb(1,2) grayscale(1) saturation(.5)
	brightness(20):contrast(20) grayscale():brightness(10) blur(5):grayscale() rotate(90):brightness(10)
	fill(blue):brightness(20) brightness(20):fill(blue) fill(red):round_corner(20,0,255,0)
	grayscale():colorize(50,50,0,ff8800) watermark(mark.png,5,5,20):grayscale()
	grayscale():watermark(mark.png,5,5,20) upscale():fill(black) blur(2):unknown():contrast(10)
	proportion(0.5):rotate(90) rotate(90):fill(blue) background_color(blue):format(jpeg)
	equalize():saturation(0.3) noise(20,1):blur(2) sharpen(2,1,true):rotate(180)`)

// boxes are the sizes of requests with filters: one that cuts, and one that leaves room to fill.
var boxes = []string{"150x100", "fit-in/400x120"}

var singles = []string{
	"nothere.jpg", "300x200", "300x200/", "filters:/photo.jpg", "filters:blur(3/photo.jpg", "left/photo.jpg", "top/left/photo.jpg",
	"smart/300x200/photo.jpg", "ab/photo.jpg", "-x-/photo.jpg", "x/photo.jpg", "--10x10/photo.jpg", "trim:left/photo.jpg",
	"10x10/trim/photo.jpg", "../photo.jpg", "trim/border.png", "trim:top-left:20/border.png", "trim/100x100/border.png",
	"trim/20x20:180x140/border.png", "trim/fit-in/60x60/border.png",
}

// URLs returns the compared URLs, without their prefix /unsafe/.
func URLs() (all []string) {
	for _, o := range originals {
		for _, g := range append([]string{""}, geometries...) {
			all = append(all, join(g, o))
		}
		for i, f := range filterTexts {
			all = append(all, join(boxes[i%2], "filters:"+f, o))
		}
		all = append(all, join(boxes[1], o))
	}
	return append(all, singles...)
}

func join(parts ...string) string {
	return strings.Trim(strings.Join(parts, "/"), "/")
}

// WithoutFilters returns the URL of the same picture without filters, or "".
func WithoutFilters(url string) string {
	before, rest, ok := strings.Cut(url, "filters:")
	if !ok || !strings.Contains(rest, ")/") {
		return ""
	}
	return before + rest[strings.LastIndex(rest, ")/")+2:]
}
