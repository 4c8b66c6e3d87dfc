#include "planes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef float four __attribute__((vector_size(16), aligned(4)));

/* The compiler makes each such function for several processors. The program takes the best
 * one when it starts. */
#if defined(__x86_64__) && defined(__gnu_linux__) && !defined(__clang__)
#define WIDE __attribute__((target_clones("avx2", "default")))
#else
#define WIDE
#endif

static int whole(int n, int unit) { return (n + unit - 1) / unit * unit; }

static int make(TmPlane *p, int width, int height) {
	p->width = width;
	p->height = height;
	p->stride = whole(width, 16);
	p->rows = whole(height, 16);
	p->samples = malloc(sizeof(float) * p->stride * p->rows);
	return p->samples ? 0 : -1;
}

TmPlanes *tm_planes_new(int count, int width, int height, int halved) {
	TmPlanes *p = calloc(1, sizeof(TmPlanes));
	int i;
	if (!p)
		return NULL;
	p->count = count;
	for (i = 0; i < count; i++)
		if (make(&p->plane[i], i && halved ? (width + 1) / 2 : width, i && halved ? (height + 1) / 2 : height)) {
			tm_planes_free(p);
			return NULL;
		}
	return p;
}

void tm_planes_free(TmPlanes *p) {
	int i;
	for (i = 0; p && i < 3; i++)
		free(p->plane[i].samples);
	free(p);
}

/* Fills the samples beyond the picture's width with its edge. */
static void pad_row(TmPlane *p, int y) {
	float *row = p->samples + (size_t) y * p->stride;
	int x;
	for (x = p->width; x < p->stride; x++)
		row[x] = row[p->width - 1];
}

static void pad(TmPlane *p) {
	const float *last = p->samples + (size_t) (p->height - 1) * p->stride;
	int y;
	for (y = 0; y < p->height; y++)
		pad_row(p, y);
	for (y = p->height; y < p->rows; y++)
		memcpy(p->samples + (size_t) y * p->stride, last, sizeof(float) * p->stride);
}

static float clamp(float v) { return v < 0 ? 0 : v > 255 ? 255 : v; }

/* taps has the source samples of each sample of the result, with weights[i * most …]. */
struct taps {
	int most, *first, *count;
	float *weights;
};

static void free_taps(struct taps *t) {
	free(t->first);
	free(t->weights);
}

/* Chroma that grows is interpolated between two samples, as in libjpeg. */
#define LINEAR_BELOW 0.75

static double kernel(double x, double step) {
	x = fabs(x);
	if (step < LINEAR_BELOW)
		return x < 1 ? 1 - x : 0;
	if (x < 1e-8)
		return 1;
	return x < 3 ? 3 * sin(M_PI * x) * sin(M_PI * x / 3) / (M_PI * M_PI * x * x) : 0;
}

static void weigh(struct taps *t, int i, double centre, double step, const TmAxis *a) {
	const double scale = step < 1 ? 1 : step, support = (step < LINEAR_BELOW ? 1 : 3) * scale;
	float *w = t->weights + (size_t) i * t->most;
	int first = (int) ceil(centre - support - 0.5), last = (int) floor(centre + support - 0.5), k;
	double sum = 0;
	first = first < a->low ? a->low : first > a->high - 1 ? a->high - 1 : first;
	last = last > a->high - 1 ? a->high - 1 : last < first ? first : last;
	for (k = first; k <= last; k++)
		sum += w[k - first] = kernel((k + 0.5 - centre) / scale, step);
	for (k = first; k <= last; k++)
		w[k - first] = fabs(sum) < 1e-6 ? 1.0 / (last - first + 1) : w[k - first] / sum;
	t->first[i] = first;
	t->count[i] = last - first + 1;
}

static int make_taps(struct taps *t, int n, const TmAxis *a) {
	const double step = fabs(a->step);
	int i;
	t->most = whole((int) (6 * (step < 1 ? 1 : step)) + 3, 4);
	t->first = malloc(sizeof(int) * 2 * n);
	t->count = t->first + n;
	t->weights = calloc((size_t) n * t->most, sizeof(float));
	if (!t->first || !t->weights)
		return -1;
	for (i = 0; i < n; i++)
		weigh(t, i, a->start + (i + 0.5) * a->step, step, a);
	return 0;
}

/* Adds weighted rows into sum, four rows at a time. */
WIDE static void add_rows(float *restrict sum, const unsigned char *restrict rows, size_t stride, int n, const float *w, int count) {
	int x;
	memset(sum, 0, sizeof(float) * n);
	for (; count > 0; count -= 4, w += 4, rows += 4 * stride) {
		const unsigned char *b = rows + (count > 1 ? stride : 0), *c = rows + (count > 2 ? 2 * stride : 0), *d = rows + (count > 3 ? 3 * stride : 0);
		const float w0 = w[0], w1 = w[1], w2 = w[2], w3 = w[3]; /* 0 behind the last row */
		for (x = 0; x < n; x++)
			sum[x] += w0 * rows[x] + w1 * b[x] + w2 * c[x] + w3 * d[x];
	}
}

/* Each sample of the resulting row is a weighted sum of samples of the given row. Behind the
 * given row there is room for as many samples as are added at once. */
static void gather(const float *row, const struct taps *t, float *out, int n) {
	int i, k;
	for (i = 0; i < n; i++) {
		const float *v = row + t->first[i], *w = t->weights + (size_t) i * t->most;
		four sum = {0};
		for (k = 0; k < t->count[i]; k += 4)
			sum += *(const four *) (v + k) * *(const four *) (w + k);
		out[i] = clamp(sum[0] + sum[1] + sum[2] + sum[3]);
	}
}

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

int tm_plane_scale(const TmSamples *in, const TmAxis *across, const TmAxis *down, TmPlane *out) {
	struct taps x = {0}, y = {0};
	float *row = calloc(in->width + 4, sizeof(float));
	int i, failed = !row || make_taps(&x, out->width, across) || make_taps(&y, out->height, down);
	for (i = 0; i < out->height && !failed; i++) {
		add_rows(row, in->samples + (size_t) y.first[i] * in->stride, in->stride, in->width, y.weights + (size_t) i * y.most, y.count[i]);
		gather(row, &x, out->samples + (size_t) i * out->stride, out->width);
	}
	if (!failed)
		pad(out);
	free(row);
	free_taps(&x);
	free_taps(&y);
	return failed ? -1 : 0;
}

void tm_plane_transpose(const TmPlane *in, TmPlane *out) {
	int x, y;
	for (y = 0; y < out->height; y++)
		for (x = 0; x < out->width; x++)
			out->samples[(size_t) y * out->stride + x] = in->samples[(size_t) x * in->stride + y];
	pad(out);
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
	pad(p);
	free(w);
	free(ring);
	return 0;
}

int tm_plane_neutral(const TmPlane *p) {
	int x, y;
	for (y = 0; y < p->height; y++)
		for (x = 0; x < p->width; x++)
			if (fabsf(p->samples[(size_t) y * p->stride + x] - 128) >= 0.5f)
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
