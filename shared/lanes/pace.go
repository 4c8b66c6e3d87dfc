package lanes

import "time"

// QueueBound bounds the requests that run or wait at the coordinator for one lane. It is below the
// queue's own bound of the lane (queue.LaneBound): requests wait at the coordinator, which is fair and
// can cancel them.
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
// number of places, and at most the larger of QueueBound and that number. Without measurements it is
// that maximum.
func (p Pace) MaxQueue(places int, wait time.Duration) int {
	if p.mean <= 0 {
		return max(QueueBound, places)
	}
	served := float64(places) * float64(wait) / float64(p.mean)
	line := max(int(min(margin*served, QueueBound)), shortestLine*places)
	return max(min(places+line, QueueBound), places)
}
