package simulator

import "math"

// Batches estimates a mean and its confidence interval from the means of long stretches of one run.
// Stretches much longer than a busy period are nearly independent (the method of batch means; A. M.
// Law, Simulation Modeling and Analysis, 2015, §9.5).
type Batches struct {
	sum, squares float64
	n            int
}

// Add adds the mean of a stretch.
func (b *Batches) Add(mean float64) {
	b.sum += mean
	b.squares += mean * mean
	b.n++
}

// Interval returns the mean, and half the width of its 95 % interval, which is infinite with fewer
// than ten stretches.
func (b *Batches) Interval() (mean, half float64) {
	n := float64(b.n)
	mean = b.sum / max(n, 1)
	if b.n < 10 {
		return mean, math.Inf(1)
	}
	variance := max(0, (b.squares-n*mean*mean)/(n-1))
	return mean, student(b.n-1) * math.Sqrt(variance/n)
}

// student returns the 97.5 % quantile of Student's distribution, by Hill's expansion of the normal
// quantile. Its error is below 1 % from nine degrees of freedom on.
func student(degrees int) float64 {
	const z = 1.959964
	d := float64(degrees)
	return z + (z*z*z+z)/(4*d) + (5*math.Pow(z, 5)+16*z*z*z+3*z)/(96*d*d)
}
