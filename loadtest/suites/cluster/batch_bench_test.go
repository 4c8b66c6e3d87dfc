package cluster

import (
	"fmt"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/thumbmill/thumbmill/deploy/samples"
	"github.com/thumbmill/thumbmill/shared/settings"
)

// BenchmarkSizesTogether requests six sizes of several photographs at once. It compares a cluster
// that renders the sizes of an original in a batch with a cluster that renders each alone, in turn,
// and prints the medians of the rounds' ratios. It counts the processor time of this process and of
// the renders in workers.
func BenchmarkSizesTogether(b *testing.B) {
	const rounds, originals = 3, 6
	body, err := samples.JPEG(samples.Landscape(3000, 2000))
	for b.Loop() {
		var wall, cpu []float64
		for range rounds {
			together, alone := sizesTogether(b, 16, originals, body, err), sizesTogether(b, 1, originals, body, err)
			wall = append(wall, alone.wall.Seconds()/together.wall.Seconds())
			cpu = append(cpu, alone.cpu.Seconds()/together.cpu.Seconds())
			fmt.Printf("together %v (%v of processor time, %d with another), alone %v (%v)\n",
				together.wall.Round(time.Millisecond), together.cpu.Round(time.Millisecond), together.siblings, alone.wall.Round(time.Millisecond), alone.cpu.Round(time.Millisecond))
		}
		slices.Sort(wall)
		slices.Sort(cpu)
		b.ReportMetric(wall[rounds/2], "times-the-throughput")
		b.ReportMetric(cpu[rounds/2], "times-the-processor-time-alone")
		b.ReportMetric(0, "ns/op")
	}
}

type effort struct {
	wall, cpu time.Duration
	siblings  int
}

func sizesTogether(b *testing.B, batch, originals int, body []byte, err error) (e effort) {
	b.Run(fmt.Sprintf("batch-%d", batch), func(b *testing.B) {
		for range b.N {
			e = effort{}
			c := Start(b, Options{Workers: true, Settings: func(s *settings.Settings) {
				manyAtOnce(s)
				s.Renderer.Slots, s.Renderer.Ahead, s.Renderer.Batch = 2, 1, batch
				s.Render.DefaultFiltersJPEG = ""
			}})
			for n := range originals {
				c.Original(fmt.Sprintf("%d.jpg", n), body, err)
			}
			began, before := time.Now(), c.processorTime()
			var answers []<-chan Answer
			for n := range originals {
				answers = append(answers, c.askSizes(fmt.Sprintf("%d.jpg", n))...)
			}
			for _, a := range answers {
				(<-a).Wants(b, 200)
			}
			e.wall, e.cpu, e.siblings = time.Since(began), c.processorTime()-before, c.siblings("ok")
			c.Renders()
		}
	})
	return e
}

// processorTime returns the processor time of this process and of its workers' renders.
func (c *Cluster) processorTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	own := time.Duration(u.Utime.Nano() + u.Stime.Nano())
	for _, r := range c.renderers {
		own += time.Duration(metric(c.t, r, "thumbmill_render_cpu_seconds_total") * float64(time.Second))
	}
	return own
}
