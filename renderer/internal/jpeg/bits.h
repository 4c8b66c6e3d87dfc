// Reads the bits of entropy-coded data. Removes the byte stuffing piece by piece, and reads the bits
// from a buffer of 64 bits.
#ifndef THUMBMILL_JPEG_BITS_H
#define THUMBMILL_JPEG_BITS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "huffman.h"

// More bytes than an MCU can have: 10 blocks of 64 coefficients, each with a code of 16 bits and a
// value of 15 bits.
#define MOST_MCU 2560
#define PIECE (16 << 10)

typedef struct {
	const unsigned char *next, *end; // the bytes of the file that are not in piece yet
	int ended;                       // next is at a marker or at the end of the file
	unsigned char *at;               // the next byte in piece that the buffer takes
	unsigned char *filled;           // the end of the data in piece; zeros follow
	uint64_t buffer;                 // the highest bits come next
	int have;                        // the number of valid bits in buffer
	int wrong;                       // not 0: the data are unusual, and libjpeg must decode the file
	unsigned char piece[PIECE + 2 * MOST_MCU + 16];
} jpeg_bits;

// Begins at the first byte of entropy-coded data.
static inline void jpeg_bits_begin(jpeg_bits *b, const unsigned char *next, const unsigned char *end) {
	b->next = next;
	b->end = end;
	b->ended = b->have = b->wrong = 0;
	b->buffer = 0;
	b->at = b->filled = b->piece;
}

// Fills the piece until it has more bytes than an MCU can have, or all bytes up to the marker, with
// zeros behind them.
void jpeg_bits_more(jpeg_bits *b);

static inline void jpeg_bits_ensure(jpeg_bits *b) {
	if (b->filled - b->at < MOST_MCU && !b->ended)
		jpeg_bits_more(b);
}

// Returns the number of bytes that were read behind the last byte: positive if data are missing,
// negative if data are left.
static inline ptrdiff_t jpeg_bits_beyond(const jpeg_bits *b) { return b->at - b->have / 8 - b->filled; }

// Continues behind the restart marker with this number. Returns 0 if the marker is not the next
// thing in the file.
int jpeg_bits_restart(jpeg_bits *b, int number);

#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define BIG_ENDIAN_WORD(word) (word)
#else
#define BIG_ENDIAN_WORD(word) __builtin_bswap64(word)
#endif

// Fills the buffer with at least 56 bits.
#define FILL(buffer, have, at) \
	do { \
		uint64_t word; \
		memcpy(&word, at, 8); \
		buffer |= BIG_ENDIAN_WORD(word) >> have; \
		at += (63 - have) >> 3; \
		have |= 56; \
	} while (0)

// Returns a code that is too long for the look-up, as length | symbol << 8, or 0 if the bits are no
// code.
static inline int jpeg_long_code(const jpeg_huffman *h, uint64_t buffer) {
	uint32_t bits = buffer >> 48;
	for (int length = LOOKUP + 1; length <= 16; length++)
		if (bits < h->limit[length])
			return length | h->symbols[(h->offset[length] + (int)(bits >> (16 - length))) & 255] << 8;
	return 0;
}

static inline int jpeg_code(const jpeg_huffman *h, uint64_t buffer) {
	int one = h->one[buffer >> (64 - LOOKUP)];
	return one ? one : jpeg_long_code(h, buffer);
}

#endif
