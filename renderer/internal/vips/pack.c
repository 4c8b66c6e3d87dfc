#include "pack.h"
#include "wide.h"

#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>

enum { NONE, SUB, UP, AVERAGE, PAETH, FILTERS };

static inline short distance(short a, short b) { return (short) (a < b ? b - a : a - b); }

/* paeth predicts a byte from the bytes before it and above it. */
static inline unsigned char paeth(short left, short up, short corner) {
	short of_left = distance(up, corner), of_up = distance(left, corner);
	short of_corner = (short) (left + up - 2 * corner);
	of_corner = (short) (of_corner < 0 ? -of_corner : of_corner);
	return (unsigned char) (of_left <= of_up && of_left <= of_corner ? left : of_up <= of_corner ? up : corner);
}

/* left and corner are one pixel before row and up. */
static inline void difference(int filter, const unsigned char *restrict row, const unsigned char *restrict left, const unsigned char *restrict up,
	const unsigned char *restrict corner, size_t length, unsigned char *restrict out) {
	size_t i;
	switch (filter) {
	case NONE:
		memcpy(out, row, length);
		break;
	case SUB:
		for (i = 0; i < length; i++)
			out[i] = (unsigned char) (row[i] - left[i]);
		break;
	case UP:
		for (i = 0; i < length; i++)
			out[i] = (unsigned char) (row[i] - up[i]);
		break;
	case AVERAGE:
		for (i = 0; i < length; i++)
			out[i] = (unsigned char) (row[i] - (left[i] + up[i]) / 2);
		break;
	default:
		for (i = 0; i < length; i++)
			out[i] = (unsigned char) (row[i] - paeth(left[i], up[i], corner[i]));
	}
}

/* A part is short, so that its sum fits in the 32 bits that the processor adds many of at once. */
#define PART 65536

static inline size_t weight(const unsigned char *in, size_t length) {
	size_t sum = 0;
	for (; length > 0;) {
		const size_t n = length < PART ? length : PART;
		unsigned part = 0;
		for (size_t i = 0; i < n; i++)
			part += in[i] < 128 ? in[i] : 256U - in[i];
		sum += part;
		in += n;
		length -= n;
	}
	return sum;
}

/* Rows with a pixel of zeros before them. */
typedef struct {
	unsigned char *memory, *above, *row, *trial;
	size_t length, step;
} Rows;

WIDE static void filter_row(Rows *r, unsigned char *out) {
	size_t least = (size_t) -1;
	for (int filter = NONE; filter < FILTERS; filter++) {
		difference(filter, r->row + r->step, r->row, r->above + r->step, r->above, r->length, r->trial);
		size_t sum = weight(r->trial, r->length);
		if (sum >= least)
			continue;
		least = sum;
		out[0] = (unsigned char) filter;
		memcpy(out + 1, r->trial, r->length);
	}
}

int tm_png_filter(const unsigned char *pixels, size_t length, int height, int step, int adaptive, unsigned char *out) {
	Rows r = {.length = length, .step = (size_t) step};
	r.memory = calloc(3, length + r.step);
	if (!r.memory)
		return -1;
	r.above = r.memory;
	r.row = r.above + length + r.step;
	r.trial = r.row + length + r.step;
	for (int y = 0; y < height; y++, pixels += length, out += length + 1) {
		if (!adaptive) {
			out[0] = NONE;
			memcpy(out + 1, pixels, length);
			continue;
		}
		memcpy(r.row + r.step, pixels, length);
		filter_row(&r, out);
		unsigned char *done = r.above;
		r.above = r.row;
		r.row = done;
	}
	free(r.memory);
	return 0;
}

size_t tm_deflate_bound(size_t length) { return libdeflate_zlib_compress_bound(NULL, length); }

size_t tm_deflate(int level, const unsigned char *in, size_t length, unsigned char *out, size_t room) {
	struct libdeflate_compressor *c = libdeflate_alloc_compressor(level);
	if (!c)
		return 0;
	size_t written = libdeflate_zlib_compress(c, in, length, out, room);
	libdeflate_free_compressor(c);
	return written;
}
