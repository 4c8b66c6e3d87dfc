package filter

import (
	"math"
	"strconv"
	"strings"

	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// watermark draws another picture over this one. Its place counts from the left and top, with a minus from the right
// and bottom, or is the middle; the mark can also repeat.
func watermark(p *Picture, o thumbnail.Operation, env Env) error {
	mark, err := env.Overlay(*o.Picture)
	if err != nil {
		return err
	}
	mark.WithAlpha()
	fade(mark, int(o.Args[0]))
	if err := env.Budget.Spend(perOverlay, mark.Width, mark.Height); err != nil {
		return err
	}
	if w, h := markSize(p, mark, o.Args[1], o.Args[2]); w != mark.Width || h != mark.Height {
		if err := env.room(w, h); err != nil {
			return err
		}
		if err := env.Budget.Spend(perOverlay, w, h); err != nil {
			return err
		}
		if mark, err = env.Resize(mark, w, h); err != nil {
			return err
		}
	}
	p.stamp(mark, o)
	return nil
}

// text draws a text over the picture, at a place as a watermark's.
func text(p *Picture, o thumbnail.Operation, env Env) error {
	mark, err := env.Text(o)
	if err != nil {
		return err
	}
	if err := env.Budget.Spend(perOverlay, mark.Width, mark.Height); err != nil {
		return err
	}
	fade(mark, int(o.Args[0]))
	p.stamp(mark, o)
	return nil
}

// stamp draws a mark at all its places.
func (p *Picture) stamp(mark *Picture, o thumbnail.Operation) {
	across, down := places(o.Word, p.Width, mark.Width), places(o.Word2, p.Height, mark.Height)
	if o.Word == "repeat" && o.Word2 == "repeat" && len(across)*len(down) > maxTiles {
		across, down = spreadOut(min(6, len(across)), p.Width, mark.Width), spreadOut(min(6, len(down)), p.Height, mark.Height)
	}
	for _, x := range across {
		for _, y := range down {
			p.compose(mark, x, y)
		}
	}
}

// perOverlay is the cost of a watermark in nanoseconds per pixel of the mark.
const perOverlay = 60

// maxTiles bounds the tiles of a mark that repeats both ways; a larger number becomes six by six.
const maxTiles = 100

// fade subtracts a percentage of full opacity.
func fade(p *Picture, percent int) {
	for i := 3; i < len(p.Pix); i += 4 {
		p.Pix[i] = clamp(int(p.Pix[i]) - 255*percent/100)
	}
}

// markSize returns the mark's size within percentages of the picture's sides; 0 means no limit.
func markSize(p, mark *Picture, percentWide, percentHigh float64) (width, height int) {
	if percentWide == 0 && percentHigh == 0 {
		return mark.Width, mark.Height
	}
	w, h := float64(mark.Width), float64(mark.Height)
	scale := math.Inf(1)
	if percentWide > 0 {
		scale = float64(p.Width) * percentWide / 100 / w
	}
	if percentHigh > 0 {
		scale = min(scale, float64(p.Height)*percentHigh/100/h)
	}
	return max(1, int(math.RoundToEven(w*scale))), max(1, int(math.RoundToEven(h*scale)))
}

// places returns the positions of a mark along one side, in pixels.
func places(position string, side, mark int) []int {
	switch position {
	case "repeat":
		n := side / mark
		if n < 2 {
			// Thumbor does the same: without room for two marks, it draws two that overlap the picture's end.
			n = (side + mark - 1) / mark
			return spaced(n, mark, 10/max(n-1, 1))
		}
		return spreadOut(n, side, mark)
	case "center":
		return []int{(side - mark) / 2}
	}
	number, percent := strings.CutSuffix(position, "p")
	fromEnd := strings.HasPrefix(number, "-")
	n, err := strconv.Atoi(strings.TrimPrefix(number, "-"))
	if err != nil {
		return nil
	}
	if percent {
		n = int(math.Round(float64(side) * float64(n) / 100))
	}
	if fromEnd {
		n = side - mark - n
	}
	return []int{n}
}

// spreadOut returns n places with equal gaps.
func spreadOut(n, side, mark int) []int {
	return spaced(n, mark, (side-n*mark)/max(n-1, 1))
}

func spaced(n, mark, space int) (at []int) {
	for i := range n {
		at = append(at, i*(mark+space))
	}
	return at
}

// frame draws a nine-patch around the picture. A nine-patch has a border of one pixel with black marks: marks above
// and to the left show the parts that stretch, marks below and to the right show the content's place. (Android's
// format; see developer.android.com/develop/ui/views/graphics/drawables#nine-patch.)
func frame(p *Picture, o thumbnail.Operation, env Env) error {
	patch, err := env.Overlay(*o.Picture)
	if err != nil {
		return err
	}
	patch.WithAlpha()
	if patch.Width < 3 || patch.Height < 3 {
		return fault.New(fault.BadURL, "the frame has %d × %d pixels: use a frame of at least 3 × 3 pixels, marks included", patch.Width, patch.Height)
	}
	left, right := margins(patch.Width, func(i int) bool { return patch.black(i, patch.Height-1) })
	top, bottom := margins(patch.Height, func(i int) bool { return patch.black(patch.Width-1, i) })
	width, height := p.Width+left+right, p.Height+top+bottom
	if err := env.room(width, height); err != nil {
		return err
	}
	canvas := New(width, height, [4]uint8{255, 255, 255, 255})
	canvas.compose(p, left, top)
	columns := bands(patch.Width, width, func(i int) bool { return patch.black(i, 0) })
	rows := bands(patch.Height, height, func(i int) bool { return patch.black(0, i) })
	for _, r := range rows {
		for _, c := range columns {
			canvas.stretch(patch, c, r)
		}
	}
	*p = *canvas
	return nil
}

func (p *Picture) black(x, y int) bool {
	pixel := p.Pix[(y*p.Width+x)*4:]
	return pixel[0] == 0 && pixel[1] == 0 && pixel[2] == 0 && pixel[3] == 255
}

// margins returns the numbers of unmarked pixels before and behind the marks.
func margins(side int, marked func(int) bool) (before, behind int) {
	for i := 1; i < side-1; i++ {
		if marked(i) {
			before = i - 1
			break
		}
	}
	for i := side - 2; i >= 1; i-- {
		if marked(i) {
			behind = side - 2 - i
			break
		}
	}
	return before, behind
}

// band is a run of the patch, and its place on the canvas.
type band struct{ from, length, to, becomes int }

// bands cuts a side of the patch into runs that stretch and rigid runs. The stretching runs share the length that the
// rigid runs leave.
func bands(side, target int, marked func(int) bool) (all []band) {
	stretchy := 0
	for i := 1; i < side-1; i++ {
		if marked(i) {
			stretchy++
		}
	}
	shared, at, before := max(0, target-(side-2-stretchy)), 0, 0
	for i := 1; i < side-1; {
		b := band{from: i, to: at}
		elastic := marked(i)
		for ; i < side-1 && marked(i) == elastic; i++ {
			b.length++
		}
		b.becomes = b.length
		if elastic { // computed from the end, so that all stretching runs together fill their share
			b.becomes = (before+b.length)*shared/stretchy - before*shared/stretchy
			before += b.length
		}
		at += b.becomes
		all = append(all, b)
	}
	return all
}

// stretch draws one interpolated cell of the patch. It skips cells without room.
func (p *Picture) stretch(patch *Picture, c, r band) {
	if c.to+c.becomes > p.Width || r.to+r.becomes > p.Height {
		return
	}
	for y := range r.becomes {
		sy, fy := scaled(y, r)
		for x := range c.becomes {
			sx, fx := scaled(x, c)
			over := patch.between(sx, sy, fx, fy)
			under := p.Pix[((r.to+y)*p.Width+c.to+x)*4:]
			above, below := float64(over[3])/255, float64(under[3])/255
			for i := range 3 {
				under[i] = uint8(above*float64(over[i]) + below*float64(under[i])*(1-above))
			}
		}
	}
}

func scaled(i int, b band) (at int, fraction float64) {
	position := float64(i) * float64(b.length-1) / float64(b.becomes)
	return b.from + int(position), position - math.Floor(position)
}

// between interpolates four neighbouring pixels.
func (p *Picture) between(x, y int, fx, fy float64) (mixed [4]uint8) {
	right, below := min(x+1, p.Width-1), min(y+1, p.Height-1)
	for i := range mixed {
		v := func(x, y int) float64 { return float64(p.Pix[(y*p.Width+x)*4+i]) }
		mixed[i] = uint8((v(x, y)*(1-fx)+v(right, y)*fx)*(1-fy) + (v(x, below)*(1-fx)+v(right, below)*fx)*fy)
	}
	return mixed
}
