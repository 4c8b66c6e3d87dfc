/* Scales planes, and pixels of several bands, by Lanczos' filter. Rows of the result are made eight at a
 * time: first down the columns of the source, where neighbours lie side by side, then across. In between,
 * the eight rows are interleaved, so that they are side by side across too. */
#include "planes.h"
#include "square.h"
#include "wide.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BAND 8

static int whole(int n, int unit) { return (n + unit - 1) / unit * unit; }

/* taps has the source samples of each sample of the result, with weights[i * most …]. Behind the
 * count weights of a sample, the weights are 0. */
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

/* turn is an angle's sine and cosine. */
struct turn {
	double sine, cosine;
};

static struct turn turn_of(double angle) {
	struct turn t = {sin(angle), cos(angle)};
	return t;
}

static struct turn turned(struct turn a, struct turn by) {
	struct turn t = {a.sine * by.cosine + a.cosine * by.sine, a.cosine * by.cosine - a.sine * by.sine};
	return t;
}

/* lanczos writes count weights of the filter of three lobes at x, x + step …, and returns their sum. The
 * sines are turned from one weight to the next, because a sine takes far longer than a product. */
static double lanczos(double x, double step, int count, float *w) {
	const struct turn next = turn_of(M_PI * step), slower = turn_of(M_PI * step / 3);
	struct turn a = turn_of(M_PI * x), b = turn_of(M_PI * x / 3);
	double sum = 0;
	int k;
	for (k = 0; k < count; k++, x += step) {
		w[k] = fabs(x) >= 3 ? 0 : fabs(x) < 1e-6 ? 1 : 3 * a.sine * b.sine / (M_PI * M_PI * x * x);
		sum += w[k];
		a = turned(a, next);
		b = turned(b, slower);
	}
	return sum;
}

static double linear(double x, double step, int count, float *w) {
	double sum = 0;
	int k;
	for (k = 0; k < count; k++, x += step)
		sum += w[k] = fabs(x) < 1 ? 1 - fabs(x) : 0;
	return sum;
}

static void weigh(struct taps *t, int i, double centre, double step, const TmAxis *a) {
	const double scale = step < 1 ? 1 : step, support = (step < LINEAR_BELOW ? 1 : 3) * scale;
	float *w = t->weights + (size_t) i * t->most;
	int first = (int) ceil(centre - support - 0.5), last = (int) floor(centre + support - 0.5), k;
	double sum;
	first = first < a->low ? a->low : first > a->high - 1 ? a->high - 1 : first;
	last = last > a->high - 1 ? a->high - 1 : last < first ? first : last;
	t->first[i] = first;
	t->count[i] = last - first + 1;
	sum = (step < LINEAR_BELOW ? linear : lanczos)((first + 0.5 - centre) / scale, 1 / scale, t->count[i], w);
	for (k = 0; k < t->count[i]; k++)
		w[k] = fabs(sum) < 1e-6 ? 1.0 / t->count[i] : w[k] / sum;
}

static int make_taps(struct taps *t, int n, const TmAxis *a) {
	const double step = fabs(a->step);
	int i;
	t->most = whole((int) (6 * (step < 1 ? 1 : step)) + 3, BAND);
	t->first = malloc(sizeof(int) * 2 * n);
	t->count = t->first + n;
	t->weights = calloc((size_t) n * t->most, sizeof(float));
	if (!t->first || !t->weights)
		return -1;
	for (i = 0; i < n; i++)
		weigh(t, i, a->start + (i + 0.5) * a->step, step, a);
	return 0;
}

/* Adds eight weighted rows to a sum, which is 0 at first. */
WIDE static void add_rows(float *restrict sum, const unsigned char *const *row, const float *w, int n, int at_first) {
	const unsigned char *restrict a = row[0], *restrict b = row[1], *restrict c = row[2], *restrict d = row[3];
	const unsigned char *restrict e = row[4], *restrict f = row[5], *restrict g = row[6], *restrict h = row[7];
	const float w0 = w[0], w1 = w[1], w2 = w[2], w3 = w[3], w4 = w[4], w5 = w[5], w6 = w[6], w7 = w[7];
	int x;
	if (at_first)
		for (x = 0; x < n; x++)
			sum[x] = w0 * a[x] + w1 * b[x] + w2 * c[x] + w3 * d[x] + (w4 * e[x] + w5 * f[x] + w6 * g[x] + w7 * h[x]);
	else
		for (x = 0; x < n; x++)
			sum[x] += w0 * a[x] + w1 * b[x] + w2 * c[x] + w3 * d[x] + (w4 * e[x] + w5 * f[x] + w6 * g[x] + w7 * h[x]);
}

/* Writes row y of the result, which still has the source's width, n samples. */
static void sum_rows(const TmSamples *in, int n, const struct taps *t, int y, float *sum) {
	const unsigned char *row[BAND];
	int k, i;
	for (k = 0; k < t->count[y]; k += BAND) {
		for (i = 0; i < BAND; i++) /* a row behind the last has no weight */
			row[i] = in->samples + (size_t) (t->first[y] + (k + i < t->count[y] ? k + i : 0)) * in->stride;
		add_rows(sum, row, t->weights + (size_t) y * t->most + k, n, k == 0);
	}
}

/* Transposes squares of eight by eight: square i is from in + i * from, in rows of across, to out + i * to, in
 * rows of down. */
WIDE static void transpose(const float *in, size_t from, size_t across, float *out, size_t to, size_t down, int squares) {
	TmRow a[BAND], b[BAND];
	for (; squares > 0; squares--, in += from, out += to) {
		for (int i = 0; i < BAND; i++)
			a[i] = *(const TmRow *) (in + i * across);
		tm_transpose(a, b);
		for (int i = 0; i < BAND; i++)
			*(TmRow *) (out + i * down) = b[i];
	}
}

/* Makes eight interleaved rows of the result from eight interleaved rows. Behind the given columns there is room
 * for as many as are added at once. */
WIDE static void add_columns(const float *columns, const struct taps *t, float *out, int n, int bands) {
	int i, j, k;
	for (i = 0; i < n; i++) {
		const float *w = t->weights + (size_t) i * t->most;
		for (j = 0; j < bands; j++) {
			const TmRow *v = (const TmRow *) (columns + ((size_t) t->first[i] * bands + j) * BAND);
			TmRow a = {0}, b = {0}, c = {0}, d = {0};
			for (k = 0; k < t->count[i]; k += 4, v += 4 * bands) {
				a += v[0] * w[k];
				b += v[bands] * w[k + 1];
				c += v[2 * bands] * w[k + 2];
				d += v[3 * bands] * w[k + 3];
			}
			*(TmRow *) (out + ((size_t) i * bands + j) * BAND) = a + b + (c + d);
		}
	}
}

static inline float clamped(float v) {
	v = v > 0 ? v : 0;
	return v < 255 ? v : 255;
}

WIDE static void clamp_row(const float *restrict in, float *restrict out, int n) {
	int x;
	for (x = 0; x < n; x++)
		out[x] = clamped(in[x]);
}

WIDE static void round_row(const float *restrict in, unsigned char *restrict out, int n) {
	int x;
	for (x = 0; x < n; x++)
		out[x] = (unsigned char) (int) (clamped(in[x]) + 0.5f);
}

static void write_row(const float *row, int n, int y, TmPlane *out) {
	if (out->bytes)
		round_row(row, out->bytes + (size_t) y * out->stride, n);
	else
		clamp_row(row, out->samples + (size_t) y * out->stride, n);
}

/* Rounds as libvips does between both directions: a palette's or a gradient's few values then stay few, and a PNG small. */
WIDE static void settle_row(float *row, int n) {
	int x;
	for (x = 0; x < n; x++)
		row[x] = (float) (int) (clamped(row[x]) + 0.5f);
}

/* rows has room for eight rows of the source's width, and columns for them interleaved. */
static void scale_band(const TmSamples *in, int bands, const struct taps *x, const struct taps *y, int from, TmPlane *out, float *rows, float *columns) {
	const int wide = whole(in->width * bands, BAND), width = whole(out->width * bands, BAND), count = out->height - from < BAND ? out->height - from : BAND;
	int i;
	for (i = 0; i < count; i++)
		sum_rows(in, in->width * bands, y, from + i, rows + (size_t) i * wide);
	for (i = 0; i < count && bands > 1; i++)
		settle_row(rows + (size_t) i * wide, in->width * bands);
	transpose(rows, BAND, wide, columns, BAND * BAND, BAND, wide / BAND);
	add_columns(columns, x, rows, out->width, bands); /* no wider than eight rows of the source, see scale */
	transpose(rows, BAND * BAND, BAND, columns, BAND, width, width / BAND);
	for (i = 0; i < count; i++)
		write_row(columns + (size_t) i * width, out->width * bands, from + i, out);
}

/* The samples of a pixel's bands lie side by side. */
static int scale(const TmSamples *in, int bands, const struct taps *x, const struct taps *y, TmPlane *out) {
	const int most = whole((in->width > out->width ? in->width : out->width) * bands, BAND);
	float *rows = calloc((size_t) BAND * (2 * most + x->most * bands), sizeof(float));
	int at;
	if (!rows)
		return -1;
	for (at = 0; at < out->height; at += BAND)
		scale_band(in, bands, x, y, at, out, rows, rows + (size_t) BAND * most);
	free(rows);
	return 0;
}

static int alike(const TmAxis *a, const TmAxis *b) {
	return a->start == b->start && a->step == b->step && a->low == b->low && a->high == b->high;
}

/* Both planes of chroma usually have the same taps. */
int tm_planes_scale(const TmSamples *in, const TmAxis *across, const TmAxis *down, TmPlanes *out) {
	struct taps x = {0}, y = {0};
	int i, failed = 0;
	for (i = 0; i < out->count && !failed; i++) {
		const TmPlane *p = &out->plane[i];
		if (i < 2 || !alike(&across[i], &across[i - 1]) || !alike(&down[i], &down[i - 1])) {
			free_taps(&x);
			free_taps(&y);
			memset(&x, 0, sizeof x);
			memset(&y, 0, sizeof y);
			failed = make_taps(&x, p->width, &across[i]) || make_taps(&y, p->height, &down[i]);
		}
		failed = failed || scale(&in[i], 1, &x, &y, &out->plane[i]);
		if (!failed)
			tm_plane_pad(&out->plane[i]);
	}
	free_taps(&x);
	free_taps(&y);
	return failed ? -1 : 0;
}

int tm_pixels_scale(const TmSamples *in, int bands, const TmAxis *across, const TmAxis *down, unsigned char *pixels, int width, int height) {
	TmPlane out = {.width = width, .height = height, .stride = width * bands, .bytes = pixels};
	struct taps x = {0}, y = {0};
	int failed = make_taps(&x, width, across) || make_taps(&y, height, down) || scale(in, bands, &x, &y, &out);
	free_taps(&x);
	free_taps(&y);
	return failed ? -1 : 0;
}
