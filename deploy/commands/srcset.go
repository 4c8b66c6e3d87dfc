package commands

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/thumbmill/thumbmill/edge/thumborurl"
)

func srcsetCommand() *cobra.Command {
	var s signing
	var set thumborurl.Set
	var unsafe bool
	cmd := &cobra.Command{
		Use: "srcset IMAGE", Short: "Print the HTML of a picture in several widths and formats", Args: cobra.ExactArgs(1),
		Long: "Print an element picture for a page: a source for each format, and the URLs of all widths,\n" +
			"signed as by thumbmill sign. IMAGE is the name of an original, not percent-encoded.\n" +
			"--width and --height give the ratio of the picture; without them it keeps its own.",
		Example: "  thumbmill srcset --config /etc/thumbmill.d --base https://thumbs.example --widths 330,500,960 cats/cat.jpg\n" +
			"  thumbmill srcset --unsafe --widths 330,660 --width 3 --height 2 --smart 'a cat.jpg'",
		RunE: func(cmd *cobra.Command, images []string) error {
			signer := thumborurl.Signer{Base: s.base}
			if !unsafe {
				var err error
				if signer, err = s.signer(cmd); err != nil {
					return err
				}
			}
			set.Options.Image = images[0]
			if err := checkWidths(set.Widths); err != nil {
				return err
			}
			_, err := fmt.Fprint(cmd.OutOrStdout(), signer.Picture(set))
			return err
		},
	}
	s.flags.Add(cmd.Flags(), nil)
	s.add(cmd.Flags())
	cmd.Flags().BoolVar(&unsafe, "unsafe", false, "print URLs without a signature, for edges with edge.allow_unsafe")
	cmd.Flags().IntSliceVar(&set.Widths, "widths", []int{330, 500, 960, 1280, 1920}, "widths in pixels")
	cmd.Flags().StringSliceVar(&set.Formats, "formats", []string{"avif", "webp"}, "formats besides the original's own, the best first")
	cmd.Flags().StringVar(&set.Sizes, "sizes", "100vw", "width of the picture on the page, as in the attribute sizes")
	cmd.Flags().StringVar(&set.Alt, "alt", "", "text in place of the picture")
	cmd.Flags().IntVar(&set.Options.Width, "width", 0, "width of the ratio")
	cmd.Flags().IntVar(&set.Options.Height, "height", 0, "height of the ratio")
	cmd.Flags().BoolVar(&set.Options.Smart, "smart", false, "keep the part that stands out where the ratio cuts")
	cmd.Flags().StringSliceVar(&set.Options.Filters, "filter", nil, "a filter such as quality(80); repeat the flag for more")
	return cmd
}

// widest bounds a width in pixels, as settings do.
const widest = 65_535

func checkWidths(widths []int) error {
	if len(widths) == 0 {
		return errors.New("--widths is empty: write widths such as 330,500,960")
	}
	for _, width := range widths {
		if width < 1 || width > widest {
			return fmt.Errorf("--widths has %d: write widths from 1 to %d", width, widest)
		}
	}
	return nil
}
