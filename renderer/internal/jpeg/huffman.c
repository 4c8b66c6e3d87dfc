#include "huffman.h"
#include <string.h>

int jpeg_huffman_is(const jpeg_huffman *h, const JHUFF_TBL *from) {
	return !memcmp(h->bits + 1, from->bits + 1, 16) && !memcmp(h->symbols, from->huffval, 256);
}

// Assigns the codes. The codes of one length are consecutive; the first code of the next length is
// the following code, doubled.
static int codes(jpeg_huffman *h, int ac) {
	uint32_t code = 0;
	int symbol = 0;
	for (int length = 1; length <= 16; length++) {
		h->offset[length] = symbol - (int)code;
		for (int i = 0; i < h->bits[length]; i++, symbol++, code++) {
			if (symbol >= 256 || code + 1 >= 1u << length || (!ac && h->symbols[symbol] > 15))
				return 0; // no code is all ones
			if (length <= LOOKUP)
				for (uint32_t j = 0; j < 1u << (LOOKUP - length); j++)
					h->one[(code << (LOOKUP - length)) + j] = length | h->symbols[symbol] << 8;
		}
		h->limit[length] = code << (16 - length);
		code <<= 1;
	}
	return 1;
}

// Returns the entry of many for these bits: as many whole symbols with their values as LOOKUP bits
// hold.
static uint16_t many(const jpeg_huffman *h, uint32_t bits) {
	int used = 0, coefficients = 0;
	for (;;) {
		uint16_t one = h->one[(bits << used) & ((1 << LOOKUP) - 1)];
		int length = one & 255, run = one >> 12, size = (one >> 8) & 15;
		if (!length || used + length + size > LOOKUP || coefficients + run + 1 > 63)
			break;
		used += length + size;
		if (size == 0 && run != 15)
			return used | (MANY_END + coefficients) << 4;
		coefficients += run + 1;
	}
	return used ? used | coefficients << 4 : MANY_NONE;
}

// Returns the entry of value for these bits: one symbol with its value, or 0 if both are longer than
// LOOKUP bits. A symbol without a value means the block's end, sixteen zeros, or an unchanged DC.
static uint32_t value(const jpeg_huffman *h, uint32_t bits) {
	uint16_t one = h->one[bits];
	int length = one & 255, run = one >> 12, size = (one >> 8) & 15;
	if (!length || length + size > LOOKUP)
		return 0;
	int v = jpeg_value((uint64_t)bits << (64 - LOOKUP + length), size);
	int coefficients = h->ac && !size && run != 15 ? 64 : run + 1;
	return (length + size) | coefficients << 8 | (uint32_t)(v & 0xffff) << 16;
}

int jpeg_huffman_build(jpeg_huffman *h, const JHUFF_TBL *from, int ac) {
	memset(h, 0, sizeof *h);
	memcpy(h->bits, from->bits, sizeof h->bits);
	memcpy(h->symbols, from->huffval, sizeof h->symbols);
	h->ac = ac;
	if (!codes(h, ac))
		return 0;
	for (uint32_t i = 0; i < 1 << LOOKUP; i++) {
		h->value[i] = value(h, i);
		if (ac)
			h->many[i] = many(h, i);
	}
	return 1;
}
