#include "baseline.h"
#include "bits.h"
#include "inverse.h"
#include <stdlib.h>

// The position in the block of each coefficient of the file's order.
static const uint8_t zigzag[64] = {
	0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48,
	41, 34, 27, 20, 13, 6, 7, 14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45,
	38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63};

typedef struct {
	const jpeg_huffman *dc, *ac;
	int across, down; // the blocks of an MCU
	int n;            // the samples of a block's side
	int last;         // the last coefficient that the samples need, in the file's order
	int16_t quantiser[64]; // in the file's order
	uint8_t kept[64];      // in the file's order: the index among the n x n coefficients; n * n means dropped
	int predicted;
	int unit;              // the size of LANES blocks, in int16_t
	size_t row;            // the size of one row of blocks, in int16_t
	int16_t *coefficients; // of one row of MCUs: down rows of blocks
} component;

typedef struct {
	jpeg_bits bits;
	int count, used; // the number of components; the number of tables in use
	component component[3];
	jpeg_huffman table[6];
} decoder;

static const jpeg_huffman *table(decoder *d, const JHUFF_TBL *from, int ac) {
	if (!from)
		return NULL;
	for (int i = 0; i < d->used; i++)
		if (jpeg_huffman_is(&d->table[i], from) && d->table[i].ac == ac)
			return &d->table[i];
	if (!jpeg_huffman_build(&d->table[d->used], from, ac))
		return NULL;
	return &d->table[d->used++];
}

static void keep(component *c, const JQUANT_TBL *q) {
	for (int k = 0; k < 64; k++) {
		int x = zigzag[k] & 7, y = zigzag[k] >> 3;
		c->quantiser[k] = (int16_t)q->quantval[zigzag[k]];
		c->kept[k] = c->n * c->n;
		if (x >= c->n || y >= c->n)
			continue;
		c->kept[k] = y * c->n + x;
		c->last = k;
	}
}

// Prepares component i. Each block has n * n coefficients and one more, which takes the dropped ones.
static int prepare(decoder *d, j_decompress_ptr cinfo, int i, int n) {
	jpeg_component_info *from = &cinfo->comp_info[i];
	component *c = &d->component[i];
	JQUANT_TBL *q = jpeg_quantisers(cinfo, i);
	if (from->dc_tbl_no >= NUM_HUFF_TBLS || from->ac_tbl_no >= NUM_HUFF_TBLS)
		return 0; // libjpeg has not checked the numbers yet
	c->dc = table(d, cinfo->dc_huff_tbl_ptrs[from->dc_tbl_no], 0);
	c->ac = table(d, cinfo->ac_huff_tbl_ptrs[from->ac_tbl_no], 1);
	if (!c->dc || !c->ac || !q)
		return 0;
	c->n = n;
	c->across = cinfo->num_components > 1 ? from->h_samp_factor : 1;
	c->down = cinfo->num_components > 1 ? from->v_samp_factor : 1;
	keep(c, q);
	c->unit = (n * n + (n > 1)) * LANES;
	size_t blocks = (from->width_in_blocks + c->across - 1) / c->across * c->across;
	c->row = (blocks + LANES - 1) / LANES * c->unit;
	c->coefficients = malloc(c->row * c->down * sizeof *c->coefficients);
	return c->coefficients != NULL;
}

#define TAKE(n) (buffer <<= (n), have -= (n))

// Reads a symbol with its value, in at most 31 bits. Sets v to the value, and coefficients to the
// number of coefficients that the symbol covers; 64 means the end of the block.
#define SYMBOL(h, coefficients, v) \
	do { \
		uint32_t entry = (h)->value[buffer >> (64 - LOOKUP)]; \
		if (__builtin_expect(entry != 0, 1)) { \
			TAKE(entry & 63); \
			coefficients = (entry >> 8) & 255; \
			v = (int32_t)entry >> 16; \
			break; \
		} \
		int code = jpeg_code(h, buffer), size = (code >> 8) & 15; \
		wrong |= !code; \
		TAKE(code & 255); \
		v = jpeg_value(buffer, size); \
		TAKE(size); \
		coefficients = (h)->ac && !size && code >> 12 != 15 ? 64 : (code >> 12) + 1; \
	} while (0)

// Skips several symbols, or jumps to end if the block ends among them.
#define SKIP(end) \
	do { \
		many = ac->many[buffer >> (64 - LOOKUP)]; \
		int after = k + (many >> 4); \
		if (after > 63) \
			goto end; \
		TAKE(many & 15); \
		k = after; \
	} while (0)

// Reads one block. Writes its lowest coefficients, dequantised, to to[kept * LANES].
static inline __attribute__((always_inline)) void block(decoder *d, component *c, int16_t *to) {
	const jpeg_huffman *ac = c->ac;
	uint64_t buffer = d->bits.buffer;
	int have = d->bits.have, wrong = 0, k = 1, coefficients, v, many;
	unsigned char *at = d->bits.at;
	FILL(buffer, have, at);
	SYMBOL(c->dc, coefficients, v);
	c->predicted += v;
	wrong |= (unsigned)(c->predicted + 32768) > 65535;
	v = (int16_t)c->predicted * c->quantiser[0];
	wrong |= (unsigned)(v + LARGEST) > 2 * LARGEST;
	to[0] = (int16_t)v;
	while (k <= c->last) {
		if (have < 32)
			FILL(buffer, have, at);
		SYMBOL(ac, coefficients, v);
		k += coefficients;
		if (k > 64)
			goto done;
		v *= c->quantiser[k - 1];
		wrong |= (unsigned)(v + LARGEST) > 2 * LARGEST;
		to[c->kept[k - 1] * LANES] = (int16_t)v;
	}
	while (k < 64) {
		FILL(buffer, have, at);
		SKIP(end);
		SKIP(end);
		SKIP(end);
		SKIP(end);
		continue;
	end:
		if (many >> 4 >= MANY_END && k + (many >> 4) - MANY_END <= 63) {
			TAKE(many & 15);
			goto done;
		}
		if (have < 32)
			FILL(buffer, have, at);
		SYMBOL(ac, coefficients, v);
		k += coefficients;
	}
done:
	d->bits.buffer = buffer;
	d->bits.have = have;
	d->bits.at = at;
	d->bits.wrong |= wrong;
}

// Reads MCU x of a row. The coefficients of LANES blocks are interleaved.
static inline __attribute__((always_inline)) void unit(decoder *d, int x) {
	for (int i = 0; i < d->count; i++) {
		component *c = &d->component[i];
		for (int v = 0; v < c->down; v++)
			for (int h = 0; h < c->across; h++) {
				int at = x * c->across + h;
				block(d, c, c->coefficients + v * c->row + (size_t)(at / LANES) * c->unit + at % LANES);
			}
	}
}

static int restart(decoder *d, int *number) {
	if (!jpeg_bits_restart(&d->bits, *number))
		return 0;
	*number = (*number + 1) & 7;
	for (int i = 0; i < d->count; i++)
		d->component[i].predicted = 0;
	return 1;
}

static void clear(decoder *d) {
	for (int i = 0; i < d->count; i++) {
		component *c = &d->component[i];
		memset(c->coefficients, 0, c->row * c->down * sizeof *c->coefficients);
	}
}

static int transform(decoder *d, j_decompress_ptr cinfo, int row, jpeg_planes *to) {
	for (int i = 0; i < d->count; i++) {
		component *c = &d->component[i];
		jpeg_plane *p = &to->plane[i];
		int blocks = cinfo->comp_info[i].width_in_blocks, high = cinfo->comp_info[i].height_in_blocks;
		for (int v = 0; v < c->down && row * c->down + v < high; v++) {
			unsigned char *samples = p->samples + (size_t)(row * c->down + v) * c->n * p->stride;
			for (int x = 0; x < blocks; x += LANES) {
				int count = blocks - x < LANES ? blocks - x : LANES;
				const int16_t *from = c->coefficients + v * c->row + (size_t)(x / LANES) * c->unit;
				if (!jpeg_inverse(c->n, from, samples + x * c->n, p->stride, count))
					return 0;
			}
		}
	}
	return 1;
}

WIDE static int scan(decoder *d, j_decompress_ptr cinfo, jpeg_planes *to) {
	component *c = &d->component[0];
	int across = (cinfo->comp_info[0].width_in_blocks + c->across - 1) / c->across;
	int down = (cinfo->comp_info[0].height_in_blocks + c->down - 1) / c->down;
	int left = cinfo->restart_interval, number = 0;
	for (int y = 0; y < down; y++) {
		clear(d);
		for (int x = 0; x < across; x++) {
			if (cinfo->restart_interval && left-- == 0) {
				if (!restart(d, &number))
					return 0;
				left = cinfo->restart_interval - 1;
			}
			jpeg_bits_ensure(&d->bits);
			unit(d, x);
			if (d->bits.wrong || jpeg_bits_beyond(&d->bits) > 0)
				return 0;
		}
		if (!transform(d, cinfo, y, to))
			return 0;
	}
	return 1;
}

static int whole(decoder *d, j_decompress_ptr cinfo, int luma, int chroma, jpeg_planes *to) {
	d->count = cinfo->num_components;
	for (int i = 0; i < d->count; i++)
		if (!prepare(d, cinfo, i, jpeg_block_size(i, luma, chroma)))
			return 0;
	jpeg_bits_begin(&d->bits, cinfo->src->next_input_byte, cinfo->src->next_input_byte + cinfo->src->bytes_in_buffer);
	return jpeg_planes_allocate(cinfo, luma, chroma, to) && scan(d, cinfo, to);
}

int jpeg_baseline(j_decompress_ptr cinfo, int luma, int chroma, jpeg_planes *to) {
	if (cinfo->progressive_mode || cinfo->comps_in_scan != cinfo->num_components || luma > 7 ||
	    (chroma > 7 && cinfo->num_components > 1))
		return 0;
	decoder *d = calloc(1, sizeof *d);
	if (!d)
		return 0;
	int done = whole(d, cinfo, luma, chroma, to);
	for (int i = 0; i < d->count; i++)
		free(d->component[i].coefficients);
	free(d);
	return done;
}
