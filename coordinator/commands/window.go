package commands

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"

	"golang.org/x/term"
)

// window shows the part of a text that fits a terminal. Keys scroll it.
type window struct {
	out    io.Writer
	size   func() (width, height int)
	mu     sync.Mutex
	lines  []string
	offset int
}

// show takes a new text.
func (w *window) show(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lines = strings.Split(strings.TrimRight(text, "\n"), "\n")
	w.draw()
}

// scroll moves by lines, within the text.
func (w *window) scroll(by int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.offset += by
	w.draw()
}

// draw writes the lines in view, cut to the width, and a last line with the place. The caller holds the
// mutex.
func (w *window) draw() {
	width, height := w.size()
	height = max(height, 2)
	lines := wrapped(w.lines, width)
	w.offset = max(0, min(w.offset, len(lines)-(height-1)))
	view := slices.Clone(lines[w.offset:min(len(lines), w.offset+height-1)])
	if rest := len(lines) - len(view); rest > 0 {
		view = append(view, fmt.Sprintf("-- %d to %d of %d lines: arrows, space and b scroll, q ends --", w.offset+1, w.offset+len(view), len(lines)))
	}
	for i, line := range view {
		if runes := []rune(line); len(runes) > width {
			view[i] = string(runes[:max(width-1, 0)]) + "…"
		}
	}
	_, _ = io.WriteString(w.out, "\x1b[H\x1b[2J"+strings.Join(view, "\r\n"))
}

// wrapped breaks sentences about problems into lines of a width, so that they are whole. Other lines are
// rows of tables, which draw cuts.
func wrapped(lines []string, width int) (all []string) {
	for _, line := range lines {
		if !isSentence(line) || width <= 2*len(indent) {
			all = append(all, line)
			continue
		}
		for {
			runes := []rune(line)
			if len(runes) <= width {
				all = append(all, line)
				break
			}
			at := strings.LastIndex(string(runes[:width+1]), " ")
			if at <= len(indent) {
				at = len(string(runes[:width]))
			}
			all = append(all, line[:at])
			line = indent + strings.TrimPrefix(line[at:], " ")
		}
	}
	return all
}

// keys reads keys until q, Ctrl-C or the end of the input, and reports that with end.
func (w *window) keys(in io.Reader, end func()) {
	defer end()
	page := func() int { _, height := w.size(); return max(height-2, 1) }
	steps := map[string]func() int{
		"j": func() int { return 1 }, "\x1b[B": func() int { return 1 }, "k": func() int { return -1 }, "\x1b[A": func() int { return -1 },
		" ": page, "\x1b[6~": page, "b": func() int { return -page() }, "\x1b[5~": func() int { return -page() },
	}
	buffer := make([]byte, 16)
	for {
		n, err := in.Read(buffer)
		key := string(buffer[:n])
		if err != nil || key == "q" || key == "\x03" {
			return
		}
		if step := steps[key]; step != nil {
			w.scroll(step())
		}
	}
}

// openWindow makes a window of this process's terminal, whose keys come at once. The context ends with q
// or Ctrl-C; restore gives the terminal back. It returns nil if input or output is no terminal.
func openWindow(ctx context.Context, out io.Writer) (w *window, within context.Context, restore func()) {
	file, ok := out.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) || !term.IsTerminal(int(os.Stdin.Fd())) {
		return nil, ctx, func() {}
	}
	before, err := term.MakeRaw(int(os.Stdin.Fd()))
	if err != nil {
		return nil, ctx, func() {}
	}
	w = &window{out: out, size: func() (int, int) {
		width, height, err := term.GetSize(int(file.Fd()))
		if err != nil {
			return 80, 24
		}
		return width, height
	}}
	within, end := context.WithCancel(ctx)
	go w.keys(os.Stdin, end) // a read of the terminal ends with the process
	return w, within, func() {
		end()
		_ = term.Restore(int(os.Stdin.Fd()), before)
		_, _ = io.WriteString(out, "\r\n")
	}
}
