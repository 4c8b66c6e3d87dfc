#include "planes.h"
#include "wide.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int whole(int n, int unit) { return (n + unit - 1) / unit * unit; }

static int make(TmPlane *p, int width, int height, int rounded) {
	p->width = width;
	p->height = height;
	p->stride = whole(width, 16);
	p->rows = whole(height, 16);
	if (rounded)
		p->bytes = malloc((size_t) p->stride * p->rows);
	else
		p->samples = malloc(sizeof(float) * p->stride * p->rows);
	return p->bytes || p->samples ? 0 : -1;
}

TmPlanes *tm_planes_new(int count, int width, int height, int halved, int rounded) {
	TmPlanes *p = calloc(1, sizeof(TmPlanes));
	int i;
	if (!p)
		return NULL;
	p->count = count;
	for (i = 0; i < count; i++)
		if (make(&p->plane[i], i && halved ? (width + 1) / 2 : width, i && halved ? (height + 1) / 2 : height, rounded)) {
			tm_planes_free(p);
			return NULL;
		}
	return p;
}

void tm_planes_free(TmPlanes *p) {
	int i;
	for (i = 0; p && i < 3; i++) {
		free(p->plane[i].samples);
		free(p->plane[i].bytes);
	}
	free(p);
}

static size_t size_of(const TmPlane *p) { return p->bytes ? 1 : sizeof(float); }

static void *at(const TmPlane *p, int x, int y) {
	const size_t i = (size_t) y * p->stride + x;
	return p->bytes ? (void *) (p->bytes + i) : (void *) (p->samples + i);
}

void tm_plane_pad(TmPlane *p) {
	int x, y;
	for (y = 0; y < p->height; y++)
		for (x = p->width; x < p->stride; x++)
			memcpy(at(p, x, y), at(p, p->width - 1, y), size_of(p));
	for (y = p->height; y < p->rows; y++)
		memcpy(at(p, 0, y), at(p, 0, p->height - 1), size_of(p) * p->stride);
}

static float clamp(float v) { return v < 0 ? 0 : v > 255 ? 255 : v; }

WIDE static void halve_rows(const unsigned char *restrict a, const unsigned char *restrict b, int pairs, unsigned char *restrict out) {
	for (int x = 0; x < pairs; x++)
		out[x] = (unsigned char) ((a[2 * x] + a[2 * x + 1] + b[2 * x] + b[2 * x + 1] + 2) >> 2);
}

void tm_samples_halve(const TmSamples *in, unsigned char *out) {
	const int width = (in->width + 1) / 2;
	for (int y = 0; y < in->height; y += 2, out += width) {
		const unsigned char *a = in->samples + (size_t) y * in->stride, *b = y + 1 < in->height ? a + in->stride : a;
		halve_rows(a, b, in->width / 2, out);
		if (in->width & 1)
			out[width - 1] = (unsigned char) ((a[in->width - 1] + b[in->width - 1] + 1) >> 1);
	}
}

void tm_plane_transpose(const TmPlane *in, TmPlane *out) {
	int x, y;
	for (y = 0; y < out->height; y++)
		for (x = 0; x < out->width; x++)
			if (out->bytes)
				out->bytes[(size_t) y * out->stride + x] = in->bytes[(size_t) x * in->stride + y];
			else
				out->samples[(size_t) y * out->stride + x] = in->samples[(size_t) x * in->stride + y];
	tm_plane_pad(out);
}

/* Returns half of a Gauss curve, from its middle down to a hundredth. The sum of both halves
 * is 1. */
static float *gauss(double sigma, int *radius) {
	float *w;
	double sum = 0;
	int i;
	*radius = (int) (sigma * sqrt(2 * log(100)));
	if (!(w = malloc(sizeof(float) * (*radius + 1))))
		return NULL;
	for (i = 0; i <= *radius; i++) {
		w[i] = exp(-i * i / (2 * sigma * sigma));
		sum += i ? 2 * w[i] : w[i];
	}
	for (i = 0; i <= *radius; i++)
		w[i] /= sum;
	return w;
}

/* Blurs along a row. wide receives a copy of the row with repeated edges. */
WIDE static void blur_row(const float *in, int n, const float *w, int radius, float *restrict wide, float *restrict out) {
	int x, k;
	for (x = 0; x < radius; x++) {
		wide[x] = in[0];
		wide[radius + n + x] = in[n - 1];
	}
	memcpy(wide + radius, in, sizeof(float) * n);
	for (x = 0; x < n; x++)
		out[x] = w[0] * wide[radius + x];
	for (k = 1; k <= radius; k++) {
		const float *a = wide + radius - k, *b = wide + radius + k, v = w[k];
		for (x = 0; x < n; x++)
			out[x] += v * (a[x] + b[x]);
	}
}

static const float *row_of(const float *ring, int rows, int n, int y, int height) {
	y = y < 0 ? 0 : y >= height ? height - 1 : y;
	return ring + (size_t) (y % rows) * n;
}

WIDE static void sharpen_row(float *restrict row, const float *ring, int y, const TmPlane *p, const float *w, int radius, float amount, float *restrict sum) {
	const int n = p->width, rows = 2 * radius + 1;
	const float *middle = row_of(ring, rows, n, y, p->height);
	int x, k;
	for (x = 0; x < n; x++)
		sum[x] = w[0] * middle[x];
	for (k = 1; k <= radius; k++) {
		const float *a = row_of(ring, rows, n, y - k, p->height), *b = row_of(ring, rows, n, y + k, p->height), v = w[k];
		for (x = 0; x < n; x++)
			sum[x] += v * (a[x] + b[x]);
	}
	for (x = 0; x < n; x++) {
		const float v = row[x] + amount * (row[x] - sum[x]);
		row[x] = v < 0 ? 0 : v > 255 ? 255 : v;
	}
}

/* A ring holds rows that are blurred along themselves, as far ahead as the mask reaches. Each
 * row can then be sharpened in its place. */
int tm_plane_unsharp(TmPlane *p, double sigma, double amount) {
	int radius, y, next = 0, n = p->width;
	float *w = gauss(sigma, &radius), *ring, *wide, *sum;
	ring = malloc(sizeof(float) * ((size_t) (2 * radius + 2) * n + n + 2 * radius));
	if (!w || !ring) {
		free(w);
		free(ring);
		return -1;
	}
	sum = ring + (size_t) (2 * radius + 1) * n;
	wide = sum + n;
	for (y = 0; y < p->height; y++) {
		for (; next < p->height && next <= y + radius; next++)
			blur_row(p->samples + (size_t) next * p->stride, n, w, radius, wide, ring + (size_t) (next % (2 * radius + 1)) * n);
		sharpen_row(p->samples + (size_t) y * p->stride, ring, y, p, w, radius, amount, sum);
	}
	tm_plane_pad(p);
	free(w);
	free(ring);
	return 0;
}

/* Luma ends at black, chroma around no colour (ITU-R BT.601). */
static void convert_range(TmPlane *p, float factor, float from, float to) {
	const size_t count = (size_t) p->stride * p->rows;
	size_t i;
	for (i = 0; i < count; i++)
		p->samples[i] = clamp((p->samples[i] - from) * factor + to);
}

void tm_planes_range(TmPlanes *p, int limited) {
	const float luma = 219 / 255.0f, chroma = 224 / 255.0f;
	int i;
	convert_range(&p->plane[0], limited ? luma : 1 / luma, limited ? 0 : 16, limited ? 16 : 0);
	for (i = 1; i < p->count; i++)
		convert_range(&p->plane[i], limited ? chroma : 1 / chroma, 128, 128);
}

static int neutral(const TmPlane *p, int x, int y) {
	return p->bytes ? *(unsigned char *) at(p, x, y) == 128 : fabsf(*(float *) at(p, x, y) - 128) < 0.5f;
}

int tm_plane_neutral(const TmPlane *p) {
	int x, y;
	for (y = 0; y < p->height; y++)
		for (x = 0; x < p->width; x++)
			if (!neutral(p, x, y))
				return 0;
	return 1;
}

static unsigned char byte(float v) { return (unsigned char) (clamp(v) + 0.5f); }

/* The constants are JFIF's. */
static void join_row(const float *luma, const float *blue, const float *red, unsigned char *restrict out, int n) {
	int x;
	for (x = 0; x < n; x++, out += 3) {
		const float b = blue[x] - 128, r = red[x] - 128;
		out[0] = byte(luma[x] + 1.402f * r);
		out[1] = byte(luma[x] - 0.344136286f * b - 0.714136286f * r);
		out[2] = byte(luma[x] + 1.772f * b);
	}
}

void tm_planes_join(const TmPlanes *p, unsigned char *out) {
	const int width = p->plane[0].width, stride = p->plane[0].stride;
	int x, y;
	for (y = 0; y < p->plane[0].height; y++, out += (size_t) width * p->count) {
		const size_t at = (size_t) y * stride;
		if (p->count == 3)
			join_row(p->plane[0].samples + at, p->plane[1].samples + at, p->plane[2].samples + at, out, width);
		else
			for (x = 0; x < width; x++)
				out[x] = byte(p->plane[0].samples[at + x]);
	}
}

void tm_planes_interleave(const TmPlanes *p, unsigned char *out) {
	for (int y = 0; y < p->plane[0].height; y++)
		for (int x = 0; x < p->plane[0].width; x++)
			for (int i = 0; i < p->count; i++)
				*out++ = p->plane[i].bytes[(size_t) y * p->plane[i].stride + x];
}
