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
	uint16_t one[1 << LOOKUP];  // length | symbol << 8; 0: a longer code
	uint16_t many[1 << LOOKUP]; // of AC: bits | coefficients << 4 | MANY_END; 0: not even one
	uint32_t limit[18];         // of 16 bits: below which codes have at most so many bits
	int offset[17];             // of a length's first symbol, less its first code
} jpeg_huffman;

#define MANY_END 0x8000 // and the block ends

// Builds the look-ups; those of several symbols for AC. 0: libjpeg refuses such a table.
int jpeg_huffman_build(jpeg_huffman *h, const JHUFF_TBL *from, int ac);

// Tells whether h was built from the same table.
int jpeg_huffman_is(const jpeg_huffman *h, const JHUFF_TBL *from);

#endif
