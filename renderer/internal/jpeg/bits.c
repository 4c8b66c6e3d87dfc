#include "bits.h"

void jpeg_bits_more(jpeg_bits *b) {
	size_t left = b->filled - b->at;
	memmove(b->piece, b->at, left);
	b->at = b->piece;
	unsigned char *to = b->piece + left, *full = b->piece + PIECE;
	while (to < full && !b->ended) {
		size_t most = b->end - b->next, room = full - to;
		size_t n = most < room ? most : room;
		const unsigned char *marker = memchr(b->next, 0xff, n);
		size_t plain = marker ? (size_t)(marker - b->next) : n;
		memcpy(to, b->next, plain);
		to += plain;
		b->next += plain;
		if (b->end - b->next < 2)
			b->ended = !marker ? b->next == b->end : 1;
		if (!marker || b->ended)
			continue;
		if (b->next[1] != 0) {
			b->ended = 1;
			break;
		}
		*to++ = 0xff;
		b->next += 2;
	}
	b->filled = to;
	memset(to, 0, MOST_MCU + 16);
}

int jpeg_bits_restart(jpeg_bits *b, int number) {
	if (jpeg_bits_beyond(b) != 0 || !b->ended || b->end - b->next < 2 || b->next[1] != 0xd0 + number)
		return 0;
	jpeg_bits_begin(b, b->next + 2, b->end);
	return 1;
}
