package tools

// upright has, at the index of each of Exif's orientations, ffmpeg's filters that turn a picture upright.
var upright = [...]string{
	2: "hflip", 3: "hflip,vflip", 4: "vflip", 5: "transpose=cclock_flip", 6: "transpose=clock",
	7: "transpose=clock_flip", 8: "transpose=cclock",
}

// drawJPEG draws a lossless JPEG. libjpeg-turbo reads lossless JPEGs only from version 3 on.
func drawJPEG(t *task) error {
	args := append(localOnly[:len(localOnly):len(localOnly)], "-nostdin", "-threads", "1", "-noautorotate",
		"-f", "image2", "-c:v", "mjpeg", "-i", named, "-frames:v", "1")
	if o := t.request.Header.Orientation; o > 1 && o < len(upright) && !t.request.Spec.AsStored {
		args = append(args, "-vf", upright[o])
	}
	return t.draw("ffmpeg", append(args, "-pix_fmt", "rgb24", "-f", "image2pipe", "-c:v", "ppm", "-")...)
}
