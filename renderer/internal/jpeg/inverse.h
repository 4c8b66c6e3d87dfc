// The inverse transforms that reduce: N x N samples of the N x N lowest coefficients of a block.
#ifndef THUMBMILL_JPEG_INVERSE_H
#define THUMBMILL_JPEG_INVERSE_H

#include <stdint.h>

// Processors that have AVX2 and BMI2 use them; the choice is made when the program is loaded.
#if defined(__x86_64__) && defined(__GLIBC__)
#define WIDE __attribute__((target_clones("arch=x86-64-v3", "default")))
#else
#define WIDE
#endif

// Blocks side by side that are transformed at once.
#define LANES 16

// The largest coefficient, times its quantiser, that pictures of 8 bits have: a sound encoder
// stays below 1024 and half a quantiser.
#define LARGEST 2047

// Coefficients of LANES blocks at n/8: [row * n + column][block], dequantised, each at most
// LARGEST. Writes count blocks side by side. 0 where a sample is so far out of bounds that
// libjpeg's result depends on the processor.
int jpeg_inverse(int n, const int16_t *coefficients, unsigned char *to, int stride, int count);

// One block for libjpeg's decoder, of 2 x 2 or 4 x 4 samples, of any coefficients.
void jpeg_inverse_block(int n, const int16_t *block, const uint16_t *quantisers, unsigned char **rows, unsigned column);

#endif
