package lanes

import "time"

// MostWeight bounds the places that one request takes of its client's and its original's pool.
const MostWeight = 100

// Weight returns the places that a render takes by its estimated time, when one place stands for a time: the
// nearest whole number, and at least 1.
func Weight(estimate, place time.Duration) int { return int(max(1, (estimate+place/2)/place)) }

// AtMostHalf bounds the places of one request by half of its pool's workers, and by 1 from below: no request
// takes all places of a pool.
func AtMostHalf(places, workers int) int { return max(1, min(places, workers/2)) }

// MostOfClient returns the places that one client may hold and wait for in a lane: half of the lane's queue. It
// may always take all places but one.
func MostOfClient(workers, maxQueue uint32) uint32 {
	return max(maxQueue/2, workers-min(workers, 1), 1)
}

// IsMostlyOf reports whether a client crowds a lane: it asks for more than all places of the lane, and takes
// more than half of the places that clients hold or wait for. all counts the client's too.
func IsMostlyOf(client, all, workers uint32) bool { return client > workers && 2*client > all }
