// The reducing inverse transforms: from the N x N lowest coefficients of a block to N x N samples.
#ifndef THUMBMILL_JPEG_INVERSE_H
#define THUMBMILL_JPEG_INVERSE_H

#include <stdint.h>

// Uses AVX2 and BMI2 on processors that have them. The loader chooses when the program starts.
#if defined(__x86_64__) && defined(__GLIBC__)
#define WIDE __attribute__((target_clones("arch=x86-64-v3", "default")))
#else
#define WIDE
#endif

// The number of neighbouring blocks that one transform reads.
#define LANES 16

// The largest dequantised coefficient of pictures of 8 bits: correct encoders stay below 1024 plus
// half a quantiser.
#define LARGEST 2047

// Transforms the dequantised coefficients [row * n + column][block] of LANES blocks at n/8; each is
// from -LARGEST to LARGEST. Writes the first count blocks side by side. Returns 0 if a sample is so far
// out of bounds that libjpeg's result depends on the processor.
int jpeg_inverse(int n, const int16_t *coefficients, unsigned char *to, int stride, int count);

// Transforms one block of any coefficients to 2 x 2 or 4 x 4 samples, for libjpeg's decoder.
void jpeg_inverse_block(int n, const int16_t *block, const uint16_t *quantisers, unsigned char **rows, unsigned column);

#endif
