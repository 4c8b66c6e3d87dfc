package tools

import (
	"bytes"
	"fmt"
	"image"
	"image/draw"
	"image/png"
	"io"

	"github.com/thumbmill/thumbmill/shared/fault"
)

// FacesSide bounds the sides of a picture in which faces are found, in pixels. thumbmill-faces refuses more than 1,024.
const FacesSide = 640

// facesProgram is ours, in a package of its own.
const facesProgram = "thumbmill-faces"

// findFaces finds faces in a PNG that a drawing worker made, and writes them as JSON. The program gets bare grey pixels.
func findFaces(t *task) error {
	if err := t.rewind(); err != nil {
		return err
	}
	grey, err := pgmOf(t.request.Original)
	if err != nil {
		return fault.Wrap(err, fault.Internal, "cannot read the picture in which faces are found")
	}
	return t.runProgram(call{program: facesProgram, in: grey, out: &limited{to: t.request.Out, left: maxText}})
}

// pgmOf returns a PNG of at most FacesSide as a PGM.
func pgmOf(file io.ReadSeeker) (io.Reader, error) {
	head, err := png.DecodeConfig(file)
	if err == nil && max(head.Width, head.Height) > FacesSide {
		err = fmt.Errorf("a picture of %d × %d pixels, at most %d are allowed on a side", head.Width, head.Height, FacesSide)
	}
	if err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, err
	}
	picture, err := png.Decode(file)
	if err != nil {
		return nil, err
	}
	grey := image.NewGray(image.Rect(0, 0, head.Width, head.Height))
	draw.Draw(grey, grey.Rect, image.White, image.Point{}, draw.Src) // shows through transparency
	draw.Draw(grey, grey.Rect, picture, picture.Bounds().Min, draw.Over)
	return io.MultiReader(bytes.NewBufferString(fmt.Sprintf("P5 %d %d 255\n", head.Width, head.Height)), bytes.NewReader(grey.Pix)), nil
}
