#include "progressive.h"
#include "bits.h"
#include "inverse.h"
#include <stdlib.h>

typedef struct {
	int across, down;   // the blocks of an MCU of several components
	int blocks, rows;   // the blocks of a row; the rows of blocks
	size_t pitch;       // the blocks from a row to the next
	int16_t *dc;        // the quantised DC coefficients
	int16_t quantiser;
	int precision;      // the low bits that are still missing; -1: no scan so far
	int predicted;
	const jpeg_huffman *table;
} component;

typedef struct {
	const unsigned char *next, *end;
	int count, wide, high; // the number of components; the MCUs across and down
	int interval, missing; // the MCUs between restarts; the file has no end marker
	component component[3];
	int ids[3], has[4];
	JHUFF_TBL dc[4]; // the file's DC tables; has says which are defined
	jpeg_huffman table[3];
	jpeg_bits bits;
} decoder;

typedef struct {
	int count, of[3], tables[3];
	int first, last, before, precision;
} scan;

static int prepare(decoder *d, j_decompress_ptr cinfo) {
	d->count = cinfo->num_components;
	d->interval = cinfo->restart_interval;
	d->wide = (cinfo->image_width + 8 * cinfo->max_h_samp_factor - 1) / (8 * cinfo->max_h_samp_factor);
	d->high = (cinfo->image_height + 8 * cinfo->max_v_samp_factor - 1) / (8 * cinfo->max_v_samp_factor);
	for (int i = 0; i < 4; i++)
		if (cinfo->dc_huff_tbl_ptrs[i]) {
			d->dc[i] = *cinfo->dc_huff_tbl_ptrs[i];
			d->has[i] = 1;
		}
	for (int i = 0; i < d->count; i++) {
		jpeg_component_info *from = &cinfo->comp_info[i];
		component *c = &d->component[i];
		JQUANT_TBL *q = jpeg_quantisers(cinfo, i);
		d->ids[i] = from->component_id;
		c->across = from->h_samp_factor;
		c->down = from->v_samp_factor;
		c->blocks = from->width_in_blocks;
		c->rows = from->height_in_blocks;
		c->precision = -1;
		c->pitch = ((size_t)d->wide * c->across + LANES - 1) / LANES * LANES;
		c->dc = calloc(c->pitch * d->high * c->down, sizeof *c->dc);
		if (!c->dc || !q)
			return 0;
		c->quantiser = (int16_t)q->quantval[0];
	}
	return 1;
}

// Reads a segment of Huffman tables. Returns 0 if libjpeg must decode the file.
static int tables(decoder *d, const unsigned char *p, const unsigned char *end) {
	while (p < end) {
		if (end - p < 17)
			return 0;
		int class = *p >> 4, which = *p & 15, symbols = 0;
		for (int i = 1; i <= 16; i++)
			symbols += p[i];
		if (class > 1 || which > 3 || symbols > 256 || end - p - 17 < symbols)
			return 0;
		if (class == 0) {
			JHUFF_TBL *t = &d->dc[which];
			memset(t, 0, sizeof *t);
			memcpy(t->bits + 1, p + 1, 16);
			memcpy(t->huffval, p + 17, symbols);
			d->has[which] = 1;
		}
		p += 17 + symbols;
	}
	return 1;
}

static int component_of(const decoder *d, int id) {
	int found = -1;
	for (int i = 0; i < d->count; i++)
		if (d->ids[i] == id) {
			if (found >= 0)
				return -1;
			found = i;
		}
	return found;
}

static int header(decoder *d, const unsigned char *p, size_t length, scan *s) {
	s->count = length ? p[0] : 0;
	if (s->count < 1 || s->count > d->count || length != (size_t)4 + 2 * s->count)
		return 0;
	for (int i = 0, seen = 0; i < s->count; i++) {
		s->of[i] = component_of(d, p[1 + 2 * i]);
		s->tables[i] = p[2 + 2 * i] >> 4;
		if (s->of[i] < 0 || seen >> s->of[i] & 1 || s->tables[i] > 3)
			return 0;
		seen |= 1 << s->of[i];
	}
	p += 1 + 2 * s->count;
	s->first = p[0];
	s->last = p[1];
	s->before = p[2] >> 4;
	s->precision = p[2] & 15;
	if (s->before && s->precision != s->before - 1)
		return 0;
	if (s->first)
		return s->count == 1 && s->first <= s->last && s->last < 64 && s->precision <= 13;
	return s->last == 0 && s->precision <= 13;
}

// Builds the tables of a first scan. Returns 0 if a component does not expect this scan.
static int expected(decoder *d, const scan *s) {
	for (int i = 0; i < s->count; i++) {
		component *c = &d->component[s->of[i]];
		if (c->precision != (s->before ? s->before : -1))
			return 0;
		c->precision = s->precision;
		c->predicted = 0;
		c->table = &d->table[i];
		if (!s->before && (!d->has[s->tables[i]] || !jpeg_huffman_build(&d->table[i], &d->dc[s->tables[i]], 0)))
			return 0;
	}
	return 1;
}

static inline void block(jpeg_bits *b, component *c, const scan *s, int16_t *dc) {
	FILL(b->buffer, b->have, b->at);
	if (s->before) {
		*dc |= (int16_t)(b->buffer >> 63 << s->precision);
		b->buffer <<= 1;
		b->have--;
		return;
	}
	int code = jpeg_code(c->table, b->buffer), size = code >> 8;
	b->wrong |= !code;
	b->buffer <<= code & 255;
	c->predicted += jpeg_value(b->buffer, size);
	b->buffer <<= size;
	b->have -= (code & 255) + size;
	int v = c->predicted * (1 << s->precision);
	b->wrong |= (unsigned)(c->predicted + 32768) > 65535 || (unsigned)(v + 32768) > 65535;
	*dc = (int16_t)v;
}

static void unit(decoder *d, const scan *s, int x, int y) {
	if (s->count == 1) {
		component *c = &d->component[s->of[0]];
		block(&d->bits, c, s, c->dc + y * c->pitch + x);
		return;
	}
	for (int i = 0; i < s->count; i++) {
		component *c = &d->component[s->of[i]];
		for (int v = 0; v < c->down; v++)
			for (int h = 0; h < c->across; h++)
				block(&d->bits, c, s, c->dc + ((size_t)y * c->down + v) * c->pitch + x * c->across + h);
	}
}

static int units(decoder *d, const scan *s) {
	int wide = s->count > 1 ? d->wide : d->component[s->of[0]].blocks;
	int high = s->count > 1 ? d->high : d->component[s->of[0]].rows;
	int left = d->interval, number = 0;
	for (int y = 0; y < high; y++)
		for (int x = 0; x < wide; x++) {
			if (d->interval && left-- == 0) {
				if (!jpeg_bits_restart(&d->bits, number))
					return 0;
				number = (number + 1) & 7;
				left = d->interval - 1;
				for (int i = 0; i < d->count; i++)
					d->component[i].predicted = 0;
			}
			jpeg_bits_ensure(&d->bits);
			unit(d, s, x, y);
			if (d->bits.wrong || jpeg_bits_beyond(&d->bits) > 0)
				return 0;
		}
	return 1;
}

// Returns the next marker that is not part of a scan's data, or end.
static const unsigned char *marker(const unsigned char *p, const unsigned char *end) {
	while (p < end && (p = memchr(p, 0xff, end - p)) && end - p > 1) {
		int code = p[1];
		if (code != 0 && code != 0xff && (code < 0xd0 || code > 0xd7))
			return p;
		p += code == 0xff ? 1 : 2;
	}
	return end;
}

static int scanned(decoder *d, const unsigned char *p, size_t length) {
	scan s;
	if (!header(d, p, length, &s))
		return 0;
	const unsigned char *data = p + length;
	d->next = marker(data, d->end);
	if (s.first)
		return 1;
	jpeg_bits_begin(&d->bits, data, d->end);
	if (!expected(d, &s) || !units(d, &s))
		return 0;
	return jpeg_bits_beyond(&d->bits) == 0 && d->bits.ended;
}

// Reads the next segment. Returns 1 to continue, 0 if libjpeg must decode the file, or -1 at the end.
static int segment(decoder *d) {
	while (d->end - d->next > 1 && d->next[0] == 0xff && d->next[1] == 0xff)
		d->next++;
	if (d->end - d->next < 2) {
		d->missing = 1;
		return -1;
	}
	int code = d->next[1];
	if (d->next[0] != 0xff || code == 0xd9)
		return d->next[0] == 0xff ? -1 : 0;
	const unsigned char *p = d->next + 4;
	if (d->end - d->next < 4)
		return 0;
	size_t length = p[-2] << 8 | p[-1];
	if (length < 2 || (size_t)(d->end - p) < length - 2)
		return 0;
	length -= 2;
	d->next = p + length;
	if (code == 0xda)
		return scanned(d, p, length);
	if (code == 0xc4)
		return tables(d, p, p + length);
	if (code == 0xdd && length == 2) {
		d->interval = p[0] << 8 | p[1];
		return 1;
	}
	return code == 0xfe || (code >= 0xe0 && code <= 0xef);
}

static int write(decoder *d, jpeg_planes *to) {
	for (int i = 0; i < d->count; i++) {
		component *c = &d->component[i];
		if (c->precision < 0)
			return 0;
		for (int y = 0; y < c->rows; y++)
			for (int x = 0; x < c->blocks; x += LANES) {
				int16_t *dc = c->dc + y * c->pitch + x;
				for (int l = 0; l < LANES; l++) {
					int v = dc[l] * c->quantiser;
					if ((unsigned)(v + LARGEST) > 2 * LARGEST)
						return 0;
					dc[l] = (int16_t)v;
				}
				int count = c->blocks - x < LANES ? c->blocks - x : LANES;
				jpeg_inverse(1, dc, to->plane[i].samples + (size_t)y * to->plane[i].stride + x, to->plane[i].stride, count);
			}
	}
	to->warned |= d->missing;
	return 1;
}

// Returns the marker of the first scan. libjpeg has read the scan's header, up to the data.
static const unsigned char *first(const unsigned char *data, int components) { return data - (2 + 2 + 4 + 2 * components); }

int jpeg_progressive(j_decompress_ptr cinfo, int luma, int chroma, jpeg_planes *to) {
	if (!cinfo->progressive_mode || luma > 1 || (chroma > 1 && cinfo->num_components > 1))
		return 0;
	decoder *d = calloc(1, sizeof *d);
	if (!d)
		return 0;
	d->end = cinfo->src->next_input_byte + cinfo->src->bytes_in_buffer;
	d->next = first(cinfo->src->next_input_byte, cinfo->comps_in_scan);
	int more = prepare(d, cinfo);
	while (more > 0)
		more = segment(d);
	int done = more < 0 && jpeg_planes_allocate(cinfo, luma, chroma, to) && write(d, to);
	for (int i = 0; i < d->count; i++)
		free(d->component[i].dc);
	free(d);
	return done;
}
