/* Squares of eight by eight samples. */
#ifndef THUMBMILL_SQUARE_H
#define THUMBMILL_SQUARE_H

#define INLINE static inline __attribute__((always_inline))

/* Eight samples side by side, in as many of the processor's vectors as they need. */
typedef float TmRow __attribute__((vector_size(32), aligned(4)));
typedef int TmLanes __attribute__((vector_size(32)));

#define PAIRS(a, b) __builtin_shuffle(a, b, (TmLanes){0, 8, 1, 9, 4, 12, 5, 13}), __builtin_shuffle(a, b, (TmLanes){2, 10, 3, 11, 6, 14, 7, 15})
#define FOURS(a, b) __builtin_shuffle(a, b, (TmLanes){0, 1, 8, 9, 4, 5, 12, 13}), __builtin_shuffle(a, b, (TmLanes){2, 3, 10, 11, 6, 7, 14, 15})
#define LOWER(a, b) __builtin_shuffle(a, b, (TmLanes){0, 1, 2, 3, 8, 9, 10, 11})
#define UPPER(a, b) __builtin_shuffle(a, b, (TmLanes){4, 5, 6, 7, 12, 13, 14, 15})

/* Exchanges rows and columns. in and out are different squares. */
INLINE void tm_transpose(const TmRow *in, TmRow *out) {
	const TmRow p[8] = {PAIRS(in[0], in[1]), PAIRS(in[2], in[3]), PAIRS(in[4], in[5]), PAIRS(in[6], in[7])};
	const TmRow q[8] = {FOURS(p[0], p[2]), FOURS(p[1], p[3]), FOURS(p[4], p[6]), FOURS(p[5], p[7])};
	out[0] = LOWER(q[0], q[4]);
	out[1] = LOWER(q[1], q[5]);
	out[2] = LOWER(q[2], q[6]);
	out[3] = LOWER(q[3], q[7]);
	out[4] = UPPER(q[0], q[4]);
	out[5] = UPPER(q[1], q[5]);
	out[6] = UPPER(q[2], q[6]);
	out[7] = UPPER(q[3], q[7]);
}

#undef PAIRS
#undef FOURS
#undef LOWER
#undef UPPER

#endif
