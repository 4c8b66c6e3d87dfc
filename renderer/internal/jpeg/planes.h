// Planes of a JPEG: see jpeg.go.
#ifndef THUMBMILL_JPEG_PLANES_H
#define THUMBMILL_JPEG_PLANES_H

#include <stddef.h>

typedef struct {
	int width, height, stride;
	double across, down; // samples for a pixel
	unsigned char *samples;
} jpeg_plane;

typedef struct {
	int width, height; // of the picture, in pixels as stored
	int count;         // of planes: 1 or 3
	int warned;        // libjpeg had to guess
	jpeg_plane plane[3];
	char message[200]; // why decoding failed
} jpeg_planes;

enum { JPEG_DECODED, JPEG_OTHER, JPEG_BROKEN };

// Decodes with the decoders of this package, and what they leave with libjpeg.
int jpeg_planes_decode(const unsigned char *file, size_t size, int luma, int chroma, jpeg_planes *to);

// Decodes with libjpeg alone; own: but for the transforms to 2/8 and 4/8, which are this package's.
int jpeg_planes_library(const unsigned char *file, size_t size, int luma, int chroma, int own, jpeg_planes *to);

void jpeg_planes_free(jpeg_planes *p);

#endif
