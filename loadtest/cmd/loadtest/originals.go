package main

import (
	"fmt"
	"image"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/thumbmill/thumbmill/deploy/samples"
	"github.com/thumbmill/thumbmill/loadtest/tool/workload"
)

func originalsCommand() *cobra.Command {
	var count int
	var name, types string
	cmd := &cobra.Command{
		Use: "originals DIR", Short: "Draw originals for loadtest run", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, folders []string) error {
			shares, err := parseShares(types, func(text string) (string, error) { return text, nil })
			if err != nil {
				return fmt.Errorf("--types: %w", err)
			}
			if err := os.MkdirAll(folders[0], 0o755); err != nil {
				return err
			}
			w := workload.Workload{Types: shares}
			for n := range count {
				kind := w.TypeOf(n)
				content, err := original(kind, n)
				if err != nil {
					return err
				}
				file := strings.NewReplacer("{n}", strconv.Itoa(n), "{type}", kind).Replace(name)
				if err := os.WriteFile(filepath.Join(folders[0], file), content, 0o644); err != nil {
					return err
				}
				if (n+1)%50 == 0 || n+1 == count {
					cmd.PrintErrf("%d of %d\n", n+1, count)
				}
			}
			return nil
		},
	}
	cmd.Flags().IntVar(&count, "originals", 200, "number of originals")
	cmd.Flags().StringVar(&name, "name", "photo{n}.{type}", "name of an original")
	cmd.Flags().StringVar(&types, "types", defaultTypes, "types with their shares: jpg, png, svg, gif, tiff, webp")
	return cmd
}

// original draws an original. Widths vary from 800 to 2720 pixels, so that the cost of renders
// varies.
func original(kind string, n int) ([]byte, error) {
	width := 800 + 240*(n%9)
	draw := func() *image.RGBA { return samples.Landscape(width, width*2/3) }
	switch kind {
	case "jpg":
		return samples.JPEG(draw())
	case "png":
		return samples.PNG(draw())
	case "webp":
		return samples.WebP(draw())
	case "tiff":
		return samples.TIFF(draw())
	case "gif":
		return samples.GIF(200, 4+n%5)
	case "svg":
		return fmt.Appendf(nil, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d"><rect width="100%%" height="100%%" fill="#def"/><circle cx="50%%" cy="50%%" r="%d" fill="#c33"/></svg>`, width, width*2/3, 50+n%200), nil
	}
	return nil, fmt.Errorf("--types: cannot draw %q: use jpg, png, svg, gif, tiff or webp", kind)
}
