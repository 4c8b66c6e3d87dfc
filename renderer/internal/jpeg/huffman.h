// Huffman tables that find several symbols at once.
#ifndef THUMBMILL_JPEG_HUFFMAN_H
#define THUMBMILL_JPEG_HUFFMAN_H

#include <stdint.h>
#include <stdio.h>
#include <jpeglib.h>

// The bits of a look-up. The speeds of 11 to 14 bits differ by 5 %.
#define LOOKUP 13

typedef struct {
	uint8_t bits[17], symbols[256];
	int ac;
	uint16_t one[1 << LOOKUP];   // length | symbol << 8; 0: a longer code
	uint32_t value[1 << LOOKUP]; // bits | coefficients << 8 | value << 16: a symbol with its value; 0: too long
	uint16_t many[1 << LOOKUP];  // only for AC: bits | coefficients << 4; the block's end adds MANY_END
	uint32_t limit[18];          // codes of at most this length are less, left-aligned in 16 bits
	int offset[17];              // the index of the length's first symbol, minus its first code
} jpeg_huffman;

#define MANY_END 64
#define MANY_NONE (127 << 4) // not even one symbol: a number that is beyond each block

// Builds the look-ups; many only for AC. Returns 0 for a table that libjpeg refuses.
int jpeg_huffman_build(jpeg_huffman *h, const JHUFF_TBL *from, int ac);

// Returns the value of the highest bits of buffer, as many as size. A first bit of 0 means a
// negative value.
static inline int jpeg_value(uint64_t buffer, int size) {
	int v = (int)(buffer >> 1 >> (63 - size));
	int negative = (int)(~buffer >> 63);
	return v - (((1 << size) - 1) & -negative);
}

// Returns whether h was built from an equal table.
int jpeg_huffman_is(const jpeg_huffman *h, const JHUFF_TBL *from);

#endif
