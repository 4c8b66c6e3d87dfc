// Huffman tables that find several symbols at once.
#ifndef THUMBMILL_JPEG_HUFFMAN_H
#define THUMBMILL_JPEG_HUFFMAN_H

#include <stdint.h>
#include <stdio.h>
#include <jpeglib.h>

// Bits of a look-up: 11 to 14 differ by 5 %.
#define LOOKUP 13

typedef struct {
	uint8_t bits[17], symbols[256];
	int ac;
	uint16_t one[1 << LOOKUP];   // length | symbol << 8; 0: a longer code
	uint32_t value[1 << LOOKUP]; // bits | coefficients << 8 | value << 16: a symbol with its value; 0: too long
	uint16_t many[1 << LOOKUP];  // of AC: bits | (coefficients, or MANY_END and those before it) << 4
	uint32_t limit[18];          // of 16 bits: below which codes have at most so many bits
	int offset[17];              // of a length's first symbol, less its first code
} jpeg_huffman;

#define MANY_END 64
#define MANY_NONE (127 << 4) // not even one symbol: an end that no block reaches

// Builds the look-ups; those of several symbols for AC. 0: libjpeg refuses such a table.
int jpeg_huffman_build(jpeg_huffman *h, const JHUFF_TBL *from, int ac);

// The value of the size's highest bits of buffer: below half of the range it is negative.
static inline int jpeg_value(uint64_t buffer, int size) {
	int v = (int)(buffer >> 1 >> (63 - size));
	int negative = (int)(~buffer >> 63);
	return v - (((1 << size) - 1) & -negative);
}

// Tells whether h was built from the same table.
int jpeg_huffman_is(const jpeg_huffman *h, const JHUFF_TBL *from);

#endif
