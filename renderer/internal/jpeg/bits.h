// The bits of entropy-coded data: taken out of their byte stuffing in pieces, and read from a
// buffer of 64.
#ifndef THUMBMILL_JPEG_BITS_H
#define THUMBMILL_JPEG_BITS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "huffman.h"

// More bytes than an MCU can take: 10 blocks of 64 coefficients of 16 bits and 15.
#define MOST_MCU 2560
#define PIECE (16 << 10)

typedef struct {
	const unsigned char *next, *end; // of the file: what is stuffed yet
	int ended;                       // a marker or the end of the file is at next
	unsigned char *at;               // in piece: what the buffer takes next
	unsigned char *filled;           // the end of what is in piece; zeros follow
	uint64_t buffer;                 // the next bits are its highest
	int have;                        // bits of buffer
	int wrong;                       // something that libjpeg would have to judge
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

// Has more than an MCU's bytes in the piece, or all that there are, and zeros behind them.
void jpeg_bits_more(jpeg_bits *b);

static inline void jpeg_bits_ensure(jpeg_bits *b) {
	if (b->filled - b->at < MOST_MCU && !b->ended)
		jpeg_bits_more(b);
}

// Bytes that were read beyond the last: more than 0 if data are missing; negative if some are left.
static inline ptrdiff_t jpeg_bits_beyond(const jpeg_bits *b) { return b->at - b->have / 8 - b->filled; }

// Goes on behind the restart marker with this number. 0: it is not where it belongs.
int jpeg_bits_restart(jpeg_bits *b, int number);

#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define BIG_ENDIAN_WORD(word) (word)
#else
#define BIG_ENDIAN_WORD(word) __builtin_bswap64(word)
#endif

// At least 56 bits.
#define FILL(buffer, have, at) \
	do { \
		uint64_t word; \
		memcpy(&word, at, 8); \
		buffer |= BIG_ENDIAN_WORD(word) >> have; \
		at += (63 - have) >> 3; \
		have |= 56; \
	} while (0)

// A code longer than the look-up has, as length | symbol << 8. 0: there is none.
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
