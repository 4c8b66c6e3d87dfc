// The planes of a JPEG; jpeg.go describes them.
#ifndef THUMBMILL_JPEG_PLANES_H
#define THUMBMILL_JPEG_PLANES_H

#include <stddef.h>

typedef struct {
	int width, height, stride;
	double across, down; // samples per pixel
	unsigned char *samples;
} jpeg_plane;

typedef struct {
	int width, height; // the picture's stored size in pixels
	int count;         // the number of planes: 1 or 3
	int warned;        // the file is damaged, and libjpeg guessed samples
	jpeg_plane plane[3];
	char message[200]; // the reason of a failure
} jpeg_planes;

enum { JPEG_DECODED, JPEG_OTHER, JPEG_BROKEN };

// Decodes with the decoders of this package, or with libjpeg if they cannot decode the file.
int jpeg_planes_decode(const unsigned char *file, size_t size, int luma, int chroma, jpeg_planes *to);

// Decodes with libjpeg alone. own: uses this package's transforms to 2/8 and 4/8.
int jpeg_planes_library(const unsigned char *file, size_t size, int luma, int chroma, int own, jpeg_planes *to);

void jpeg_planes_free(jpeg_planes *p);

#endif
