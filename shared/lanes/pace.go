package lanes

import "time"

// QueueBound bounds the requests that run or wait at the coordinator for one lane of a small fleet. From 180
// places on, the bound is shortestLine for each place more, so that a large fleet has a line too.
const QueueBound = 900

const (
	// learnWeight is the weight of the newest value in the mean. The last twenty values make up two
	// thirds of the mean.
	learnWeight = 0.05
	// margin shortens the line: under load, places are held longer than the mean shows.
	margin = 0.5
	// shortestLine is the number of requests that may always wait for each place.
	shortestLine = 4
)

// Pace is the mean time for which a place of a lane is held, with exponential decay. The zero value has
// no measurements.
type Pace struct{ mean time.Duration }

// With returns the pace after one more measurement.
func (p Pace) With(held time.Duration) Pace {
	if p.mean == 0 {
		return Pace{held}
	}
	return Pace{p.mean + time.Duration(learnWeight*float64(held-p.mean))}
}

// MaxQueue returns the bound of requests that hold one of the given places or wait for one, for waits
// of at most the given time. It admits no more requests than the lane can serve in that time: the
// others are refused at once and can come again, instead of waiting in vain. The bound is at least the
// number of places, and at most QueueBound, or 1 + shortestLine for each place if that is more. Without
// measurements it is that maximum.
func (p Pace) MaxQueue(places int, wait time.Duration) int {
	most := max(QueueBound, (1+shortestLine)*places)
	if p.mean <= 0 {
		return most
	}
	served := float64(places) * float64(wait) / float64(p.mean)
	line := max(int(min(margin*served, float64(most))), shortestLine*places)
	return min(places+line, most)
}
