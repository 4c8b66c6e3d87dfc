package report

import (
	"math"
	"time"
)

const (
	dayLength  = 25 * 60 // minutes that a day keeps: until an hour before this time yesterday
	yesterday  = 24 * time.Hour
	aroundSpan = 60 // minutes before and after a moment
)

// day has the mean of each series in each minute of the last 25 hours, in single precision: a few
// hundred kilobytes.
type day struct {
	minutes [dayLength]int64 // that the places stand for; the place of a minute is its number modulo dayLength
	values  map[string]*[dayLength]float32
	sums    map[string]sum // of the current minute
	current int64
}

type sum struct {
	of float64
	n  int
}

func newDay() day { return day{values: map[string]*[dayLength]float32{}, sums: map[string]sum{}} }

// add takes the values of a moment.
func (d *day) add(now time.Time, values map[string]float64) {
	if at := now.Unix() / int64(time.Minute.Seconds()); at != d.current {
		d.keep()
		d.current = at
	}
	for name, v := range values {
		if v == None {
			continue
		}
		s := d.sums[name]
		d.sums[name] = sum{s.of + v, s.n + 1}
	}
}

// keep keeps the means of the current minute.
func (d *day) keep() {
	place := d.current % dayLength
	d.minutes[place] = d.current
	for name := range d.sums {
		if d.values[name] == nil {
			d.values[name] = &[dayLength]float32{}
		}
	}
	for name, values := range d.values {
		values[place] = float32(absent(name))
		if s := d.sums[name]; s.n > 0 {
			values[place] = float32(s.of / float64(s.n))
		}
	}
	clear(d.sums)
}

// around returns the minutes from an hour before a moment to an hour after it. A minute that the day does
// not know has the value None.
func (d *day) around(moment time.Time) Series {
	last := moment.Unix()/int64(time.Minute.Seconds()) + aroundSpan
	s := Series{End: time.Unix(last*int64(time.Minute.Seconds()), 0).UTC(), Step: time.Minute.Seconds(), Values: map[string][]float64{}}
	for name, values := range d.values {
		known := false
		told := make([]float64, 2*aroundSpan)
		for i := range told {
			at := last - int64(len(told)-1-i)
			told[i] = None
			if place := max(at, 0) % dayLength; d.minutes[place] == at && at > 0 {
				told[i], known = rounded(float64(values[place])), true
			}
		}
		if known {
			s.Values[name] = told
		}
	}
	return s
}

// rounded keeps four digits: more are noise, and weigh on the page.
func rounded(v float64) float64 {
	if v == 0 || math.IsNaN(v) {
		return 0
	}
	scale := math.Pow(10, 3-math.Floor(math.Log10(math.Abs(v))))
	return math.Round(v*scale) / scale
}
