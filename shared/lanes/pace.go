package lanes

import "time"

// QueueBound is how many requests may run or wait at the coordinator for one lane: below
// the bound of the lane in the queue (queue.LaneBound), so that waiting happens at the
// coordinator, where it is fair and can be cancelled.
const QueueBound = 900

const (
	// learnWeight of the newest in the mean: the last twenty make up two thirds of it.
	learnWeight = 0.05
	// margin: under load a place is held longer than the mean has learnt yet.
	margin = 0.5
	// shortestLine is how many may always wait for each place.
	shortestLine = 4
)

// Pace is for how long a place of a lane is held: a decaying mean. The zero value has
// learnt nothing.
type Pace struct{ mean time.Duration }

// With gives the pace after one more place was held for so long.
func (p Pace) With(held time.Duration) Pace {
	if p.mean == 0 {
		return Pace{held}
	}
	return Pace{p.mean + time.Duration(learnWeight*float64(held-p.mean))}
}

// MaxQueue is how many may hold one of so many places or wait for one, when they wait for
// at most the given time: no more than can be served meanwhile, so that the others are
// refused at once and may come again, instead of after a wait in vain. It is at least the
// places, at most QueueBound where that is more, and QueueBound while nothing is learnt.
func (p Pace) MaxQueue(places int, wait time.Duration) int {
	if p.mean <= 0 {
		return max(QueueBound, places)
	}
	served := float64(places) * float64(wait) / float64(p.mean)
	line := max(int(min(margin*served, QueueBound)), shortestLine*places)
	return max(min(places+line, QueueBound), places)
}
