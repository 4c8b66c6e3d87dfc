package worker

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/color"
	_ "image/gif"
	_ "image/jpeg"
	_ "image/png"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
	_ "golang.org/x/image/webp"

	"github.com/thumbmill/thumbmill/deploy/samples"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/eventually"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/processes"
	"github.com/thumbmill/thumbmill/renderer/internal/guard"
	"github.com/thumbmill/thumbmill/renderer/internal/sandbox"
	"github.com/thumbmill/thumbmill/renderer/internal/tools"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/lanes"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

func TestMain(m *testing.M) {
	if Asked() {
		os.Exit(Main())
	}
	goleak.VerifyTestMain(m)
}

func newPool(t testing.TB, slots int) *Pool { t.Helper(); return newPoolOf(t, Vips, slots) }

func newPoolOf(t testing.TB, kind Kind, slots int) *Pool {
	t.Helper()
	killed := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "killed"}, []string{"reason"})
	p, err := NewPool(Config{
		Kind: kind, Slots: slots, Standby: slots + lanes.SlowSlots(slots), Memory: 3 << 30, TempDir: t.TempDir(), Scratch: 64 << 20, Nice: 5,
		Require: []sandbox.Layer{sandbox.NoNewPrivs, sandbox.Rlimits, sandbox.Landlock, sandbox.Seccomp},
		Log:     slog.New(slog.DiscardHandler), Killed: killed,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func original(t testing.TB, body []byte, err error) *os.File {
	t.Helper()
	path := filepath.Join(t.TempDir(), "original")
	if err == nil {
		err = os.WriteFile(path, body, 0o600)
	}
	var f *os.File
	if err == nil {
		f, err = os.Open(path)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func render(t testing.TB, p *Pool, s thumbnail.Spec, f *os.File) (Report, []byte, error) {
	t.Helper()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	h, err := guard.Inspect(f, info.Size(), s.Type, 400_000_000)
	if err != nil {
		t.Fatal(err)
	}
	return do(t.Context(), p, Task{Spec: s, Header: h, MaxPixels: 40_000_000}, f, 20*time.Second)
}

// do returns the thumbnail's bytes.
func do(ctx context.Context, p *Pool, task Task, f *os.File, within time.Duration) (Report, []byte, error) {
	report, out, err := p.Do(ctx, task, f, within)
	if err != nil {
		return report, nil, err
	}
	defer func() { _ = out.Close() }()
	image, err := Contents(out)
	return report, image, err
}

func spec(width int, f thumbnail.Format) thumbnail.Spec {
	return thumbnail.Spec{Width: width, Format: f, Quality: 87, Chroma: "4:2:0"}
}

func decode(t testing.TB, b []byte) image.Image {
	t.Helper()
	m, _, err := image.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestFormats(t *testing.T) {
	p := newPool(t, 1)
	dir := t.TempDir()
	drawn, err := samples.Draw(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, sample := range drawn {
		if !slices.Contains(p.Ready().Types, string(thumbnail.TypeOf(sample.Name))) {
			continue // a tool draws it
		}
		body, err := os.ReadFile(filepath.Join(dir, sample.Name))
		f := original(t, body, err)
		for _, format := range []thumbnail.Format{"", "jpg", "png", "webp", "gif"} {
			report, thumb, err := render(t, p, spec(100, format), f)
			if err != nil {
				t.Errorf("%s to %q: %v", sample.Name, format, err)
				continue
			}
			m := decode(t, thumb)
			if m.Bounds().Dx() != 100 || m.Bounds().Dy() != report.Height || report.Width != 100 {
				t.Errorf("%s to %q: %v, reported %dx%d", sample.Name, format, m.Bounds(), report.Width, report.Height)
			}
		}
	}
}

func TestOrientationIsRespected(t *testing.T) {
	p := newPool(t, 1)
	body, err := samples.TurnedJPEG(samples.Landscape(300, 480))
	f := original(t, body, err)
	for _, s := range []thumbnail.Spec{
		spec(100, "png"),
		{Width: 100, Format: "png", Crop: &thumbnail.Rect{Right: 300, Bottom: 480}},
		{Width: 100, Format: "png", Operations: []thumbnail.Operation{{Name: "rotate", Args: []float64{180}}, {Name: "rotate", Args: []float64{-180}}}},
		{Width: 100, Format: "png", FlipX: true, FlipY: true, Operations: []thumbnail.Operation{{Name: "flip", Word: "x"}, {Name: "flip", Word: "y"}}},
	} {
		_, thumb, err := render(t, p, s, f)
		if err != nil {
			t.Fatal(err)
		}
		m := decode(t, thumb)
		r, _, b, _ := m.At(22, 32).RGBA()
		if m.Bounds().Dy() != 160 || r>>8 < 200 || b>>8 > 160 {
			t.Errorf("%+v: %v, the sun is missing at 22,32: %v", s, m.Bounds(), m.At(22, 32))
		}
	}
}

func TestAlphaIsPremultiplied(t *testing.T) {
	p := newPool(t, 1)
	body, err := samples.PNG(samples.Disc(400))
	_, thumb, err2 := render(t, p, spec(50, "png"), original(t, body, err))
	if err2 != nil {
		t.Fatal(err2)
	}
	m := decode(t, thumb)
	for y := range 50 {
		for x := range 50 {
			c := color.NRGBAModel.Convert(m.At(x, y)).(color.NRGBA)
			if c.A > 16 && c.R < 240 {
				t.Fatalf("a dark rim at %d,%d: %v", x, y, c)
			}
		}
	}
}

func TestOperations(t *testing.T) {
	p := newPool(t, 1)
	body, err := samples.PNG(samples.Landscape(400, 300))
	f := original(t, body, err)
	for name, c := range map[string]struct {
		spec          thumbnail.Spec
		width, height int
	}{
		"crop after": {thumbnail.Spec{Width: 200, Operations: []thumbnail.Operation{{Name: "crop", Args: []float64{10, 10, 20, 30}}}}, 10, 20},
		"rotate":     {thumbnail.Spec{Width: 200, Operations: []thumbnail.Operation{{Name: "rotate", Args: []float64{90}}}}, 150, 200},
		"smart":      {thumbnail.Spec{Width: 100, Height: 100, Smart: true}, 100, 100},
		"cover":      {thumbnail.Spec{Width: 100, Height: 100}, 100, 100},
		"trim":       {thumbnail.Spec{Trim: &thumbnail.Trim{Corner: "top-left", Tolerance: 450}}, 400, 300},
		"sharpen":    {thumbnail.Spec{Width: 200, Sharpen: &thumbnail.Sharpen{Sigma: .8, Amount: 1, Threshold: .01, Ratio: .85}}, 200, 150},
	} {
		c.spec.Format = "png"
		_, thumb, err := render(t, p, c.spec, f)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if b := decode(t, thumb).Bounds(); b.Dx() != c.width || b.Dy() != c.height {
			t.Errorf("%s: %v, want %dx%d", name, b, c.width, c.height)
		}
	}
}

func TestDamagedOriginals(t *testing.T) {
	p := newPool(t, 1)
	body, err := samples.PNG(samples.Landscape(400, 300))
	clear(body[33:]) // everything behind the header
	f := original(t, body, err)
	_, _, err = render(t, p, spec(100, "png"), f)
	if !fault.Is(err, fault.Undecodable) {
		t.Errorf("a PNG with only its header: %v", err)
	}
	body, err = samples.PNG(samples.Disc(50))
	if _, _, err := render(t, p, spec(20, "png"), original(t, body, err)); err != nil {
		t.Errorf("the next original fails: %v", err)
	}
}

func TestAStuckWorkerIsKilledAndReplaced(t *testing.T) {
	p := newPool(t, 1)
	body, err := samples.PNG(samples.Disc(50))
	f := original(t, body, err)
	first := <-p.fresh
	p.idle <- first // it gets the first task
	if err := syscall.Kill(first.cmd.Process.Pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	_, _, err = do(t.Context(), p, Task{Spec: spec(20, "png"), Header: guard.Header{Type: "png", Pages: 1}}, f, 200*time.Millisecond)
	if !fault.Is(err, fault.Overran) {
		t.Errorf("a stuck worker: %v", err)
	}
	if _, _, err := render(t, p, spec(20, "png"), f); err != nil {
		t.Errorf("the successor fails: %v", err)
	}
}

// A task survives workers that died while they were idle, for example for lack of memory.
func TestIdleDeathsFailNoTask(t *testing.T) {
	p := newPool(t, 4)
	body, err := samples.PNG(samples.Disc(50))
	f := original(t, body, err)
	for w := range p.running {
		if err := syscall.Kill(w.cmd.Process.Pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		<-w.ended
	}
	for range 5 {
		if _, _, err := render(t, p, spec(20, "png"), f); err != nil {
			t.Fatal(err)
		}
	}
}

// soon bounds the waits for processes.
const soon = 20 * time.Second

// muchTime is more processor time than an idle worker takes.
const muchTime = 200 * time.Millisecond

// busy returns the processor time of processes.
func busy(pids []int) (sum time.Duration) {
	for _, pid := range pids {
		own, _ := processes.Time(pid)
		sum += own
	}
	return sum
}

func TestADeathDuringARenderIsReported(t *testing.T) {
	p := newPool(t, 1)
	body, err := samples.PNG(samples.Disc(200))
	f := original(t, body, err)
	long := spec(10_000, "webp")
	long.Enlarge = true
	pids := p.PIDs() // the worker that renders, and the spare
	before := busy(pids)
	var group sync.WaitGroup
	defer group.Wait()
	group.Go(func() {
		eventually.Holds(t, soon, "the render takes processor time", func() bool { return busy(pids) > before+muchTime })
		for _, pid := range pids {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	task := Task{Spec: long, MaxPixels: 1 << 30, Header: guard.Header{Type: "png", Pages: 1}}
	if _, _, err := do(t.Context(), p, task, f, 20*time.Second); !errors.Is(err, ErrDied) {
		t.Errorf("a worker that died during a render: %v", err)
	}
	if _, _, err := render(t, p, spec(20, "png"), f); err != nil {
		t.Errorf("the successor fails: %v", err)
	}
}

// libvips' messages about one original do not appear in errors of another.
func TestMessagesDoNotCrossOriginals(t *testing.T) {
	p := newPool(t, 1)
	body, err := samples.JPEG(samples.Landscape(400, 300))
	if _, _, err := render(t, p, spec(100, "png"), original(t, body[:len(body)/2], err)); err != nil {
		t.Fatalf("a truncated JPEG: %v", err)
	}
	body, err = samples.PNG(samples.Landscape(400, 300))
	clear(body[33:])
	_, _, err = render(t, p, spec(100, "png"), original(t, body, err))
	if err == nil || strings.Contains(err.Error(), "Jpeg") {
		t.Errorf("the error of a PNG: %v", err)
	}
}

func TestTrimIsBounded(t *testing.T) {
	p := newPool(t, 1)
	body, err := samples.PNG(samples.Disc(20))
	s := thumbnail.Spec{Width: 10, Format: "png", Trim: &thumbnail.Trim{Corner: "top-left"}}
	task := Task{Spec: s, Header: guard.Header{Type: "png", Width: 20_000, Height: 20_000, Pages: 1}, MaxPixels: 1000}
	if _, _, err := do(t.Context(), p, task, original(t, body, err), time.Minute); !fault.Is(err, fault.BadURL) {
		t.Errorf("a trim of 400 megapixels: %v", err)
	}
}

// reasons returns the counts of ended workers by reason.
func reasons(t *testing.T, p *Pool) map[string]float64 {
	t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(p.config.Killed)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			all[m.GetLabel()[0].GetValue()] = m.GetCounter().GetValue()
		}
	}
	return all
}

func TestTheProcessorsLimitEndsAWorker(t *testing.T) {
	p := newPool(t, 1)
	body, err := samples.PNG(samples.Disc(200))
	f := original(t, body, err)
	s := spec(8000, "webp")
	s.Enlarge = true
	task := Task{Spec: s, MaxPixels: 1 << 30, Header: guard.Header{Type: "png", Pages: 1}}
	_, _, err = do(t.Context(), p, task, f, 300*time.Millisecond)
	if !fault.Is(err, fault.Overran) || reasons(t, p)["time"] != 1 {
		t.Errorf("an endless render: %v, %v", err, reasons(t, p))
	}
	task.CPUSeconds = 1
	_, _, err = do(t.Context(), p, task, f, time.Minute)
	if !fault.Is(err, fault.Overran) || reasons(t, p)["cpu"] != 1 {
		t.Errorf("a second of processor time: %v, %v", err, reasons(t, p))
	}
}

func TestTakingAWorkerEndsWithTheContext(t *testing.T) {
	p := newPool(t, 1)
	busy, spare := <-p.fresh, <-p.fresh
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, _, err := do(ctx, p, Task{}, os.Stdin, time.Second); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("without a free worker: %v", err)
	}
	p.idle <- busy
	p.idle <- spare
}

// The sun is at the upper left of the landscape; each operation moves it.
func TestDirections(t *testing.T) {
	p := newPool(t, 1)
	body, err := samples.PNG(samples.Landscape(400, 400))
	f := original(t, body, err)
	for name, c := range map[string]struct {
		spec thumbnail.Spec
		x, y int
	}{
		"unchanged":        {thumbnail.Spec{}, 88, 80},
		"rotate clockwise": {thumbnail.Spec{Operations: []thumbnail.Operation{{Name: "rotate", Args: []float64{90}}}}, 319, 88},
		"flip over x":      {thumbnail.Spec{Operations: []thumbnail.Operation{{Name: "flip", Word: "x"}}}, 88, 319},
		"flip over y":      {thumbnail.Spec{Operations: []thumbnail.Operation{{Name: "flip", Word: "y"}}}, 311, 80},
		"negative width":   {thumbnail.Spec{FlipX: true}, 311, 80},
		"negative height":  {thumbnail.Spec{FlipY: true}, 88, 319},
	} {
		c.spec.Format = "png"
		_, thumb, err := render(t, p, c.spec, f)
		if err != nil {
			t.Fatal(err)
		}
		if r, _, b, _ := decode(t, thumb).At(c.x, c.y).RGBA(); r>>8 < 250 || b>>8 > 120 {
			t.Errorf("%s: the sun is not at %d,%d", name, c.x, c.y)
		}
	}
}

// A side that follows from the original's proportions is bounded too.
func TestThumbnailsAreBounded(t *testing.T) {
	p := newPool(t, 1)
	body, err := samples.PNG(samples.Disc(7))
	f := original(t, body, err)
	tall := thumbnail.Spec{Width: 7000, Enlarge: true, Format: "png"}
	if _, _, err := render(t, p, tall, f); !fault.Is(err, fault.BadURL) {
		t.Errorf("7000 × 7000: %v", err)
	}
	tall.Width = 700
	if _, _, err := render(t, p, tall, f); err != nil {
		t.Errorf("700 × 700: %v", err)
	}
}

// The pool replaces a worker after its share of tasks.
func TestWorkersAreRecycled(t *testing.T) {
	p := newPool(t, 1)
	p.config.Recycle = 2
	first := p.PIDs()
	body, err := samples.PNG(samples.Disc(40))
	f := original(t, body, err)
	for range 8 {
		if _, _, err := render(t, p, spec(20, "png"), f); err != nil {
			t.Fatal(err)
		}
	}
	eventually.Holds(t, soon, "the pool has as many workers as before", func() bool { return len(p.PIDs()) == 1+1 })
	now := p.PIDs()
	for _, pid := range first {
		if slices.Contains(now, pid) {
			t.Errorf("worker %d is still there after the tasks of four workers", pid)
		}
	}
}

// The pool first starts the standby workers, then the others one by one as tasks come together. It prefers workers
// that have worked, and ends those that are not needed any more.
func TestAPoolGrowsAndShrinksOnDemand(t *testing.T) {
	p, err := NewPool(Config{Kind: Tools, Slots: 2, Memory: 3 << 30, TempDir: t.TempDir(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	take := func() *process {
		w, err := p.awaitIdle(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
	first := take()
	p.putBack(first, false)
	if w := take(); w != first || len(p.PIDs()) != 1 {
		t.Errorf("the pool has %d workers, although one was idle", len(p.PIDs()))
	}
	p.putBack(take(), false)
	p.putBack(first, false)
	if n := len(p.PIDs()); n != 2 {
		t.Errorf("%d workers for two tasks at once", n)
	}
	p.config.Rest = time.Millisecond
	p.group.Go(p.thin)
	eventually.Holds(t, soon, "idle workers end", func() bool { return len(p.PIDs()) == 0 })
	if take(); len(p.PIDs()) != 1 {
		t.Errorf("%d workers for a task after a rest", len(p.PIDs()))
	}
}

// Standby workers stay however long they rest.
func TestStandbyWorkersStay(t *testing.T) {
	p := newPool(t, 2)
	p.config.Rest = time.Nanosecond
	if w := p.rested(); w != nil {
		t.Errorf("worker %d would end", w.cmd.Process.Pid)
	}
	p.config.Standby--
	w := p.rested()
	if w == nil || p.rested() != nil {
		t.Fatal("not exactly one worker would end")
	}
	w.kill()
	p.forget(w)
}

func TestAMissingRequiredLayer(t *testing.T) {
	_, err := NewPool(Config{
		Kind: Vips, Slots: 1, Memory: 3 << 30, TempDir: t.TempDir(), Require: []sandbox.Layer{"moat"}, Log: slog.New(slog.DiscardHandler),
		Killed: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "killed"}, []string{"reason"}),
	})
	if err == nil || !strings.Contains(err.Error(), "moat") {
		t.Errorf("%v", err)
	}
}

// The pool wipes a tool's folder, and bounds the folder's size.
func TestAToolsFolder(t *testing.T) {
	p := newPoolOf(t, Tools, 1)
	w := <-p.fresh
	if err := os.WriteFile(filepath.Join(tools.Scratch(w.folder), "left"), make([]byte, 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	if size(tools.Scratch(w.folder)) != 1000 || w.wipe() != nil || size(tools.Scratch(w.folder)) != 0 {
		t.Error("the folder is not empty after wipe")
	}
	if err := os.WriteFile(filepath.Join(tools.Scratch(w.folder), "much"), make([]byte, 2000), 0o600); err != nil {
		t.Fatal(err)
	}
	w.watch(t.Context(), 1999)
	<-w.ended
	if !w.overflowed.Load() {
		t.Error("the worker did not end as overflowed")
	}
	p.idle <- w
}

// libvips reads a large turned photograph in another order than the decoder gives it.
func TestLargeTurnedPhotographs(t *testing.T) {
	p := newPool(t, 1)
	body, err := samples.TurnedJPEG(samples.Landscape(2000, 3000))
	f := original(t, body, err)
	for _, width := range []int{400, 800, 1500, 0} {
		if report, _, err := render(t, p, spec(width, "jpg"), f); err != nil || report.Height < report.Width {
			t.Errorf("%d wide: %d × %d, %v", width, report.Width, report.Height, err)
		}
	}
}

// tiffOf returns an uncompressed TIFF with one strip. Each sample has 8 bits with the value, or 16 bits with the
// value twice.
func tiffOf(side, bands, photometric, bits int, value byte) []byte {
	data := bytes.Repeat([]byte{value}, side*side*bands*bits/8)
	b := []byte("II*\x00\x08\x00\x00\x00")
	fields := [][3]uint32{
		{256, 4, uint32(side)}, {257, 4, uint32(side)}, {258, 3, uint32(bits)}, {259, 3, 1}, {262, 3, uint32(photometric)},
		{273, 4, 0}, {277, 3, uint32(bands)}, {278, 4, uint32(side)}, {279, 4, uint32(len(data))},
	}
	fields[5][2] = uint32(8 + 2 + 12*len(fields) + 4)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(fields)))
	for _, f := range fields {
		b = binary.LittleEndian.AppendUint16(binary.LittleEndian.AppendUint16(b, uint16(f[0])), uint16(f[1]))
		b = binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(b, 1), f[2])
	}
	return append(append(b, 0, 0, 0, 0), data...)
}

// Further bands, inks and deep samples become an 8-bit picture in grey or colours.
func TestUnusualSamples(t *testing.T) {
	p := newPool(t, 1)
	const grey, rgb, cmyk = 1, 2, 5
	for name, c := range map[string]struct {
		bands, photometric, bits int
		value                    byte
		low, high                uint32 // bounds of the thumbnail's green
	}{
		"further bands":          {7, rgb, 8, 100, 30, 255},
		"very many bands":        {40, rgb, 8, 100, 30, 255},
		"grey and further bands": {3, grey, 8, 100, 30, 255},
		"inks":                   {4, cmyk, 8, 0, 230, 255},
		"16 bits":                {1, grey, 16, 128, 120, 136},
		"16 bits, colours":       {3, rgb, 16, 128, 120, 136},
	} {
		f := original(t, tiffOf(64, c.bands, c.photometric, c.bits, c.value), nil)
		for _, format := range []thumbnail.Format{"jpg", "png", "webp"} {
			s := spec(20, format)
			s.Sharpen = &thumbnail.Sharpen{Sigma: 0.8, Amount: 1, Ratio: 0.85}
			_, thumb, err := render(t, p, s, f)
			if err != nil {
				t.Errorf("%s to %s: %v", name, format, err)
				continue
			}
			if len(thumb) > 4000 {
				t.Errorf("%s to %s has %d bytes: it kept a useless profile", name, format, len(thumb))
			}
			_, g, _, _ := decode(t, thumb).At(10, 10).RGBA()
			if g>>8 < c.low || g>>8 > c.high {
				t.Errorf("%s to %s: green is %d, want %d to %d", name, format, g>>8, c.low, c.high)
			}
		}
	}
}

// A tool must not inherit its worker's descriptors: it could speak for the worker.
func TestToolsInheritNothing(t *testing.T) {
	p := newPoolOf(t, Tools, 1)
	for _, pid := range p.PIDs() {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/fdinfo/3", pid))
		if err != nil {
			t.Fatal(err)
		}
		var flags int
		for line := range strings.Lines(string(text)) {
			_, _ = fmt.Sscanf(line, "flags:\t%o", &flags)
		}
		if flags&syscall.O_CLOEXEC == 0 {
			t.Errorf("the socket of %d is inherited: flags %o", pid, flags)
		}
		if _, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/4", pid)); err == nil {
			if target, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/4", pid)); strings.HasSuffix(target, "/out") {
				t.Errorf("the folder of %d is inherited", pid)
			}
		}
	}
}
