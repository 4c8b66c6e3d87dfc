package worker

import (
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/thumbmill/thumbmill/renderer/internal/guard"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// envSoak sets the originals of this file to the design's full size.
const envSoak = "THUMBMILL_SOAK"

// large is a grey picture of any size. It takes no memory.
type large struct{ side int }

func (large) ColorModel() color.Model   { return color.GrayModel }
func (l large) Bounds() image.Rectangle { return image.Rect(0, 0, l.side, l.side) }
func (large) At(x, y int) color.Color   { return color.Gray{Y: uint8(x ^ y)} }
func (l large) row(y int) (row []byte) {
	for x := range l.side {
		row = append(row, byte(x^y))
	}
	return row
}

// writeTIFF writes uncompressed strips of sixteen rows.
func writeTIFF(w io.Writer, l large) error {
	const rows = 16
	strips := (l.side + rows - 1) / rows
	order := binary.LittleEndian
	fields := [][3]uint32{ // tag, kind, value; offsets and lengths of strips follow the directory
		{256, 4, uint32(l.side)}, {257, 4, uint32(l.side)}, {258, 3, 8}, {259, 3, 1}, {262, 3, 1},
		{273, 4, 0}, {277, 3, 1}, {278, 4, rows}, {279, 4, 0},
	}
	tables := 8 + 2 + 12*len(fields) + 4
	data := tables + 8*strips
	head := order.AppendUint16([]byte("II*\x00\x08\x00\x00\x00"), uint16(len(fields)))
	for _, f := range fields {
		head = order.AppendUint16(order.AppendUint16(head, uint16(f[0])), uint16(f[1]))
		count, value := uint32(1), f[2]
		switch f[0] {
		case 273:
			count, value = uint32(strips), uint32(tables)
		case 279:
			count, value = uint32(strips), uint32(tables+4*strips)
		}
		head = order.AppendUint32(order.AppendUint32(head, count), value)
	}
	head = order.AppendUint32(head, 0)
	for i := range strips {
		head = order.AppendUint32(head, uint32(data+i*rows*l.side))
	}
	for i := range strips {
		head = order.AppendUint32(head, uint32(min(rows, l.side-i*rows)*l.side))
	}
	if _, err := w.Write(head); err != nil {
		return err
	}
	for y := range l.side {
		if _, err := w.Write(l.row(y)); err != nil {
			return err
		}
	}
	return nil
}

// peak returns the largest memory that a worker had so far, in bytes.
func peak(t *testing.T, pid int) (bytes int64) {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if _, err := fmt.Sscanf(line, "VmHWM: %d kB", &bytes); err == nil {
			return bytes << 10
		}
	}
	t.Fatalf("/proc/%d/status has no line VmHWM", pid)
	return 0
}

// Memory follows a thumbnail's width instead of its original's area: libvips reads JPEG, PNG and stripped TIFF
// sequentially.
func TestLargeOriginalsTakeLittleMemory(t *testing.T) {
	l := large{8000}
	if os.Getenv(envSoak) != "" {
		l.side = 20_000
	}
	const most = 200 << 20
	for _, c := range []struct {
		of    thumbnail.Type
		write func(io.Writer) error
	}{
		{thumbnail.TypeJPEG, func(w io.Writer) error { return jpeg.Encode(w, l, nil) }},
		{thumbnail.TypePNG, func(w io.Writer) error { return (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(w, l) }},
		{thumbnail.TypeTIFF, func(w io.Writer) error { return writeTIFF(w, l) }},
	} {
		t.Run(string(c.of), func(t *testing.T) {
			f, err := os.Create(filepath.Join(t.TempDir(), "large"))
			if err == nil {
				err = c.write(f)
			}
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = f.Close() }()
			info, err := f.Stat()
			if err != nil {
				t.Fatal(err)
			}
			h, err := guard.Inspect(f, info.Size(), c.of, 400_000_000)
			if err != nil || h.Width != l.side {
				t.Fatalf("%+v, %v", h, err)
			}
			p := newPool(t, 1)
			before := map[int]int64{}
			for _, pid := range p.PIDs() {
				before[pid] = peak(t, pid)
			}
			s := thumbnail.Spec{Type: c.of, Width: 320, Quality: 80, Chroma: "4:2:0"}
			report, _, err := do(t.Context(), p, Task{Spec: s, Header: h, MaxPixels: 1 << 30}, f, 2*time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			var growth, whole int64
			for pid, at := range before {
				now := peak(t, pid)
				growth, whole = max(growth, now-at), max(whole, now)
			}
			t.Logf("%d × %d, %d MB: peak %d MB, %d MB above the start; %v of processor time",
				l.side, l.side, info.Size()>>20, whole>>20, growth>>20, report.CPU.Round(time.Millisecond))
			if growth > most-64<<20 { // an idle worker has up to 64 MB
				t.Errorf("the worker grew by %d MB", growth>>20)
			}
		})
	}
}
