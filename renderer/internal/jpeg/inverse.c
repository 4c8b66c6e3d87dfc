// Sizes 3, 5, 6 and 7 use the N-point inverse transforms of libjpeg's jidctint.c, after Loeffler,
// Ligtenberg and Moschytz, in the same integers: constants of 13 bits, and two more bits between the
// passes. Sizes 2 and 4 use the same kind of transform. libjpeg-turbo's own transforms of these sizes
// (jidctred.c) average pairs of samples, and need nearly all coefficients.
#include "inverse.h"
#include <string.h>

// The compiler turns loops over lanes into vectors.
#define FAST __attribute__((optimize("O3")))

#define BITS 13
#define BETWEEN 2
#define FIX(x) ((int)((x) * (1 << BITS) + 0.5))

// The transforms of one dimension, from inputs a[0..n-1] to outputs o[0..n-1]. a[0] is scaled
// already, and includes the rounding.
#define TRANSFORM_2(T, a, o) \
	T odd = a[1] * FIX(1.0); \
	o[0] = a[0] + odd; \
	o[1] = a[0] - odd;

#define TRANSFORM_3(T, a, o) \
	T second = a[2] * FIX(0.707106781), odd = a[1] * FIX(1.224744871), even = a[0] + second; \
	o[0] = even + odd; \
	o[1] = a[0] - second - second; \
	o[2] = even - odd;

#define TRANSFORM_4(T, a, o) \
	T second = a[2] * (1 << BITS), e0 = a[0] + second, e1 = a[0] - second; \
	T both = (a[1] + a[3]) * FIX(0.541196100); \
	T o0 = both + a[1] * FIX(0.765366865), o1 = both - a[3] * FIX(1.847759065); \
	o[0] = e0 + o0; \
	o[1] = e1 + o1; \
	o[2] = e1 - o1; \
	o[3] = e0 - o0;

#define TRANSFORM_5(T, a, o) \
	T z1 = (a[2] + a[4]) * FIX(0.790569415), z2 = (a[2] - a[4]) * FIX(0.353553391); \
	T z3 = a[0] + z2, e0 = z3 + z1, e1 = z3 - z1; \
	T both = (a[1] + a[3]) * FIX(0.831253876); \
	T o0 = both + a[1] * FIX(0.513743148), o1 = both - a[3] * FIX(2.176250899); \
	o[0] = e0 + o0; \
	o[1] = e1 + o1; \
	o[2] = a[0] - z2 * 4; \
	o[3] = e1 - o1; \
	o[4] = e0 - o0;

#define TRANSFORM_6(T, a, o) \
	T fourth = a[4] * FIX(0.707106781), second = a[2] * FIX(1.224744871), both = a[0] + fourth; \
	T e0 = both + second, e1 = a[0] - fourth - fourth, e2 = both - second; \
	T z = (a[1] + a[5]) * FIX(0.366025404); \
	T o0 = z + (a[1] + a[3]) * (1 << BITS), o1 = (a[1] - a[3] - a[5]) * (1 << BITS); \
	T o2 = z + (a[5] - a[3]) * (1 << BITS); \
	o[0] = e0 + o0; \
	o[1] = e1 + o1; \
	o[2] = e2 + o2; \
	o[3] = e2 - o2; \
	o[4] = e1 - o1; \
	o[5] = e0 - o0;

#define TRANSFORM_7(T, a, o) \
	T t10 = (a[4] - a[6]) * FIX(0.881747734), t12 = (a[2] - a[4]) * FIX(0.314692123); \
	T e1 = t10 + t12 + a[0] - a[4] * FIX(1.841218003), sum = a[2] + a[6]; \
	T scaled = sum * FIX(1.274162392) + a[0]; \
	T e0 = t10 + scaled - a[6] * FIX(0.077722536), e2 = t12 + scaled - a[2] * FIX(2.470602249); \
	T p = (a[1] + a[3]) * FIX(0.935414347), q = (a[1] - a[3]) * FIX(0.170262339); \
	T r = (a[3] + a[5]) * -FIX(1.378756276), s = (a[1] + a[5]) * FIX(0.613604268); \
	T o0 = p - q + s, o1 = p + q + r, o2 = r + s + a[5] * FIX(1.870828693); \
	o[0] = e0 + o0; \
	o[1] = e1 + o1; \
	o[2] = e2 + o2; \
	o[3] = a[0] + (a[4] - sum) * FIX(1.414213562); \
	o[4] = e2 - o2; \
	o[5] = e1 - o1; \
	o[6] = e0 - o0;

// The bound of the values between the passes: the second pass adds them up in 32 bits.
#define MOST_BETWEEN 16384

// Does both passes over LANES blocks. Returns 0 if a value is out of bounds.
#define INVERSE(n) \
	WIDE FAST static int inverse_##n(const int16_t *in, unsigned char *out) { \
		int between[n * n][LANES]; \
		int wrong = 0; \
		for (int x = 0; x < n; x++) \
			for (int l = 0; l < LANES; l++) { \
				int a[n], o[n]; \
				for (int y = 0; y < n; y++) \
					a[y] = in[(y * n + x) * LANES + l]; \
				a[0] = a[0] * (1 << BITS) + (1 << (BITS - BETWEEN - 1)); \
				TRANSFORM_##n(int, a, o) \
				for (int y = 0; y < n; y++) { \
					int v = o[y] >> (BITS - BETWEEN); \
					between[y * n + x][l] = v; \
					wrong |= (v + MOST_BETWEEN) & ~(2 * MOST_BETWEEN - 1); \
				} \
			} \
		if (wrong) \
			return 0; \
		for (int y = 0; y < n; y++) \
			for (int l = 0; l < LANES; l++) { \
				int a[n], o[n]; \
				for (int x = 0; x < n; x++) \
					a[x] = between[y * n + x][l]; \
				a[0] = (a[0] + (1 << (BETWEEN + 2))) * (1 << BITS); \
				TRANSFORM_##n(int, a, o) \
				for (int x = 0; x < n; x++) { \
					int v = o[x] >> (BITS + BETWEEN + 3); \
					wrong |= (v + 512) & ~1023; \
					v += 128; \
					out[(y * n + x) * LANES + l] = v < 0 ? 0 : v > 255 ? 255 : v; \
				} \
			} \
		return !wrong; \
	}

INVERSE(2)
INVERSE(3)
INVERSE(4)
INVERSE(5)
INVERSE(6)
INVERSE(7)

// A block of one coefficient is flat.
WIDE FAST static void inverse_1(const int16_t *in, unsigned char *out) {
	for (int l = 0; l < LANES; l++) {
		int v = ((in[l] + 4) >> 3) + 128;
		out[l] = v < 0 ? 0 : v > 255 ? 255 : v;
	}
}

static int inverse(int n, const int16_t *in, unsigned char *out) {
	switch (n) {
	case 2:
		return inverse_2(in, out);
	case 3:
		return inverse_3(in, out);
	case 4:
		return inverse_4(in, out);
	case 5:
		return inverse_5(in, out);
	case 6:
		return inverse_6(in, out);
	case 7:
		return inverse_7(in, out);
	}
	inverse_1(in, out);
	return 1;
}

#define SCATTER(n) \
	case n: \
		for (int y = 0; y < n; y++) \
			for (int l = 0; l < count; l++) \
				for (int x = 0; x < n; x++) \
					to[(size_t)y * stride + l * n + x] = samples[(y * n + x) * LANES + l]; \
		break;

typedef unsigned char lanes __attribute__((vector_size(LANES)));

// Writes LANES blocks of 2 x 2 samples.
static void zip_2(const unsigned char *samples, unsigned char *to, int stride) {
	for (int y = 0; y < 2; y++) {
		lanes left, right, zipped[2];
		memcpy(&left, samples + (size_t)2 * y * LANES, LANES);
		memcpy(&right, samples + (size_t)(2 * y + 1) * LANES, LANES);
		zipped[0] = __builtin_shuffle(left, right, (lanes){0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23});
		zipped[1] = __builtin_shuffle(left, right, (lanes){8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31});
		memcpy(to + (size_t)y * stride, zipped, sizeof zipped);
	}
}

int jpeg_inverse(int n, const int16_t *coefficients, unsigned char *to, int stride, int count) {
	unsigned char samples[7 * 7 * LANES];
	if (!inverse(n, coefficients, samples))
		return 0;
	if (n == 2 && count == LANES) {
		zip_2(samples, to, stride);
		return 1;
	}
	switch (n) {
		SCATTER(1)
		SCATTER(2)
		SCATTER(3)
		SCATTER(4)
		SCATTER(5)
		SCATTER(6)
		SCATTER(7)
	}
	return 1;
}

#define BLOCK(n) \
	static void block_##n(const int16_t *block, const uint16_t *quantisers, unsigned char **rows, unsigned column) { \
		int64_t between[n * n]; \
		for (int x = 0; x < n; x++) { \
			int64_t a[n], o[n]; \
			for (int y = 0; y < n; y++) \
				a[y] = (int64_t)block[y * 8 + x] * (int16_t)quantisers[y * 8 + x]; \
			a[0] = a[0] * (1 << BITS) + (1 << (BITS - BETWEEN - 1)); \
			TRANSFORM_##n(int64_t, a, o) \
			for (int y = 0; y < n; y++) \
				between[y * n + x] = o[y] >> (BITS - BETWEEN); \
		} \
		for (int y = 0; y < n; y++) { \
			int64_t *a = between + y * n, o[n]; \
			a[0] = (a[0] + (1 << (BETWEEN + 2))) * (1 << BITS); \
			TRANSFORM_##n(int64_t, a, o) \
			for (int x = 0; x < n; x++) { \
				int64_t v = (o[x] >> (BITS + BETWEEN + 3)) + 128; \
				rows[y][column + x] = v < 0 ? 0 : v > 255 ? 255 : v; \
			} \
		} \
	}

BLOCK(2)
BLOCK(4)

void jpeg_inverse_block(int n, const int16_t *block, const uint16_t *quantisers, unsigned char **rows, unsigned column) {
	if (n == 2)
		block_2(block, quantisers, rows, column);
	else
		block_4(block, quantisers, rows, column);
}
