/* A JPEG encoder on libjpeg's coefficients: this file chooses the quantised values,
 * and libjpeg writes the file. Bits are spent where they show.
 *
 * A coefficient that is barely worth its bits is rounded towards zero or dropped. Each
 * change costs squared error and saves bits of Huffman codes. Dynamic programming finds
 * the path of least cost through a block's coefficients (trellis quantisation: Crouse
 * and Ramchandran 1997). It looks only at coefficients that plain rounding leaves
 * above zero, a dozen a block. */
#include "vips.h"
#include "square.h"
#include "wide.h"

#include <stdio.h>
#include <jpeglib.h>
#include <jerror.h>
#include <math.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

/* The worth of a saved bit of chroma; the caller gives the worth for luma. */
#define CHROMA_WORTH 0.06f

struct failing {
	struct jpeg_error_mgr manager;
	jmp_buf back;
	char *text;
};

static void fail(j_common_ptr c) {
	struct failing *f = (struct failing *) c->err;
	f->manager.format_message(c, f->text);
	longjmp(f->back, 1);
}

static void silent(j_common_ptr c) { (void) c; }

static const int zigzag[64] = {
	0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48,
	41, 34, 27, 20, 13, 6, 7, 14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45,
	38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63};

/* The forward transform of Arai, Agui and Nakajima (1988) down all eight columns, side by side. */
INLINE void transform(TmRow *d) {
	TmRow t0 = d[0] + d[7], t7 = d[0] - d[7], t1 = d[1] + d[6], t6 = d[1] - d[6];
	TmRow t2 = d[2] + d[5], t5 = d[2] - d[5], t3 = d[3] + d[4], t4 = d[3] - d[4];
	TmRow a = t0 + t3, b = t0 - t3, c = t1 + t2, e = t1 - t2, z1, z2, z3, z4, z5;
	d[0] = a + c;
	d[4] = a - c;
	z1 = (e + b) * 0.707106781f;
	d[2] = b + z1;
	d[6] = b - z1;
	a = t4 + t5;
	c = t5 + t6;
	e = t6 + t7;
	z5 = (a - e) * 0.382683433f;
	z2 = 0.541196100f * a + z5;
	z4 = 1.306562965f * e + z5;
	z3 = c * 0.707106781f;
	b = t7 + z3;
	z1 = t7 - z3;
	d[5] = z1 + z2;
	d[3] = z1 - z2;
	d[1] = b + z4;
	d[7] = b - z4;
}

/* plane is one component at its own resolution, 0 to 255, padded to whole blocks. */
struct plane {
	int across, down; /* blocks */
	int stride;       /* samples */
	float *samples;
};

/* The share of half of white in the DC of a block. */
#define HALF (128.0f * 64)

/* quantiser of one component has the steps, scaled as the transform scales, and the
 * lengths of the Huffman codes by run and size. */
struct quantiser {
	float inverse[64];
	unsigned char bits[256];
	float worth; /* of a bit */
};

static void code_lengths(const JHUFF_TBL *table, unsigned char *bits) {
	int length, i, k = 0;
	memset(bits, 16, 256);
	for (length = 1; length <= 16; length++)
		for (i = 0; i < table->bits[length]; i++)
			bits[table->huffval[k++]] = length;
}

static void prepare(struct quantiser *q, const JQUANT_TBL *steps, const JHUFF_TBL *codes, float worth) {
	static const double scale[8] = {1, 1.387039845, 1.306562965, 1.175875602, 1, 0.785694958, 0.541196100, 0.275899379};
	int i;
	for (i = 0; i < 64; i++)
		q->inverse[i] = 1 / (steps->quantval[i] * scale[i / 8] * scale[i % 8] * 8);
	code_lengths(codes, q->bits);
	q->worth = worth;
}

static int size_of(int value) { /* returns the bits of a magnitude */
	return value ? 32 - __builtin_clz((unsigned) value) : 0;
}

/* One coefficient that plain rounding keeps. If the saved bits could outweigh the error,
 * the coefficient may become one smaller or be dropped; this holds for few. */
struct candidate {
	int at, values;       /* place in the zigzag; number of values to choose from */
	int value[2];         /* magnitudes */
	int droppable;
	float cost[2];        /* least cost of a path that ends here */
	int from[2];          /* the candidate and choice before: 2 * index + choice, or -1 */
	float error[2], zero; /* squared error of each choice, and of dropping the coefficient */
};

/* The most bits of a code with the magnitude bits behind it. */
#define MOST_BITS 26

static float rate(const struct quantiser *q, int run, int size) {
	float bits = q->bits[(run & 15) << 4 | size] + size;
	return run < 16 ? bits : bits + (run >> 4) * q->bits[0xf0];
}

/* candidates lists a block's coefficients that are not zero, and returns their number.
 * It sets open if a coefficient has more than one choice. */
static int candidates(const struct quantiser *q, const float *scaled, struct candidate *c, int *open) {
	const float most = q->worth * MOST_BITS;
	int all[64], n = 0, i;
	*open = 0;
	for (i = 0; i < 64; i++)
		all[i] = (int) (fabsf(scaled[i]) + 0.5f);
	for (i = 1; i < 64; i++) {
		const int rounded = all[zigzag[i]];
		float v, e;
		if (!rounded)
			continue;
		v = fabsf(scaled[zigzag[i]]);
		e = v - rounded;
		c[n].at = i;
		c[n].value[0] = rounded;
		c[n].value[1] = rounded - 1;
		c[n].error[0] = e * e;
		c[n].error[1] = (e + 1) * (e + 1);
		c[n].zero = v * v;
		c[n].values = rounded > 1 && c[n].error[1] - c[n].error[0] < most ? 2 : 1;
		c[n].droppable = c[n].zero - c[n].error[0] < most;
		*open |= c[n].droppable || c[n].values == 2;
		n++;
	}
	return n;
}

/* reach finds the least cost of ending a path with candidate i at its choice k. */
static void reach(const struct quantiser *q, struct candidate *c, int i, int k) {
	const int size = size_of(c[i].value[k]);
	float between = 0, cost;
	int j, l;
	c[i].cost[k] = 1e30f;
	for (j = i - 1; j >= 0; j--) {
		float here = q->worth * rate(q, c[i].at - c[j].at - 1, size) + c[i].error[k] + between;
		for (l = 0; l < c[j].values; l++)
			if ((cost = c[j].cost[l] + here) < c[i].cost[k]) {
				c[i].cost[k] = cost;
				c[i].from[k] = 2 * j + l;
			}
		if (!c[j].droppable)
			return;
		between += c[j].zero;
	}
	cost = q->worth * rate(q, c[i].at - 1, size) + c[i].error[k] + between;
	if (cost < c[i].cost[k]) {
		c[i].cost[k] = cost;
		c[i].from[k] = -1;
	}
}

/* choose finds the cheapest values of a block's AC coefficients. */
static void choose(const struct quantiser *q, const float *scaled, JCOEF *block) {
	struct candidate c[63];
	int open, n = candidates(q, scaled, c, &open), i, k, end = -1;
	float dropped = 0, best = 1e30f, eob = q->worth * q->bits[0];
	if (!open) {
		for (i = 0; i < n; i++)
			block[zigzag[c[i].at]] = scaled[zigzag[c[i].at]] < 0 ? -c[i].value[0] : c[i].value[0];
		return;
	}
	for (i = 0; i < n; i++)
		for (k = 0; k < c[i].values; k++)
			reach(q, c, i, k);
	for (i = n - 1; i >= 0; i--) { /* coefficients behind the last candidate are dropped */
		for (k = 0; k < c[i].values; k++) {
			float whole = c[i].cost[k] + dropped + (c[i].at < 63 ? eob : 0);
			if (whole < best) {
				best = whole;
				end = 2 * i + k;
			}
		}
		if (!c[i].droppable)
			break;
		dropped += c[i].zero;
	}
	if (i < 0 && dropped + eob < best)
		end = -1;
	while (end >= 0) {
		struct candidate *at = &c[end / 2];
		int place = zigzag[at->at];
		block[place] = scaled[place] < 0 ? -at->value[end % 2] : at->value[end % 2];
		end = at->from[end % 2];
	}
}

/* Writes a block's coefficients, in steps of the quantiser. */
WIDE static void transform_block(const float *samples, int stride, const float *inverse, float *out) {
	TmRow d[8], t[8];
	int i;
	for (i = 0; i < 8; i++)
		d[i] = *(const TmRow *) (samples + (size_t) i * stride);
	transform(d);
	tm_transpose(d, t);
	transform(t);
	tm_transpose(t, d);
	d[0][0] -= HALF;
	for (i = 0; i < 8; i++)
		*(TmRow *) (out + 8 * i) = d[i] * *(const TmRow *) (inverse + 8 * i);
}

static void encode_block(const struct plane *p, const struct quantiser *q, int x, int y, JCOEF *block) {
	float d[64];
	transform_block(p->samples + (size_t) y * 8 * p->stride + x * 8, p->stride, q->inverse, d);
	memset(block, 0, 64 * sizeof(JCOEF));
	block[0] = (JCOEF) lrintf(d[0]);
	choose(q, d, block);
}

/* Splits RGB into luma and chroma at full resolution (JFIF); copies grey. */
static void split_row(const TmJpeg *j, const unsigned char *restrict v, float *restrict luma, float *restrict blue, float *restrict red) {
	int x;
	if (j->bands == 1) {
		for (x = 0; x < j->width; x++)
			luma[x] = v[x];
		return;
	}
	for (x = 0; x < j->width; x++) {
		const float r = v[3 * x], g = v[3 * x + 1], b = v[3 * x + 2];
		luma[x] = 0.299f * r + 0.587f * g + 0.114f * b;
		blue[x] = -0.168735892f * r - 0.331264108f * g + 0.5f * b + 128;
		red[x] = 0.5f * r - 0.418687589f * g - 0.081312411f * b + 128;
	}
}

/* Splits all rows. Samples beyond the picture repeat its edge. */
static void split(const TmJpeg *j, struct plane *p) {
	const size_t row = p[0].stride * sizeof(float);
	int x, y, i;
	for (y = 0; y < j->height; y++) {
		const size_t at = (size_t) y * p[0].stride;
		split_row(j, j->pixels + (size_t) y * j->width * j->bands, p[0].samples + at,
			j->bands == 3 ? p[1].samples + at : NULL, j->bands == 3 ? p[2].samples + at : NULL);
		for (i = 0; i < j->bands; i++)
			for (x = j->width; x < p[i].stride; x++)
				p[i].samples[at + x] = p[i].samples[at + j->width - 1];
	}
	for (i = 0; i < j->bands; i++)
		for (y = j->height; y < 8 * p[i].down; y++)
			memcpy(p[i].samples + (size_t) y * p[i].stride, p[i].samples + (size_t) (j->height - 1) * p[i].stride, row);
}

/* halve averages squares of two by two samples, in place. */
static void halve(struct plane *p) {
	int x, y, stride = p->stride;
	p->stride /= 2;
	p->across /= 2;
	p->down /= 2;
	for (y = 0; y < 8 * p->down; y++)
		for (x = 0; x < p->stride; x++) {
			const float *a = p->samples + (size_t) 2 * y * stride + 2 * x;
			p->samples[(size_t) y * p->stride + x] = (a[0] + a[1] + a[stride] + a[stride + 1]) / 4;
		}
}

static void write_profile(j_compress_ptr c, const unsigned char *profile, size_t length) {
	const size_t most = 65533 - 14;
	size_t parts = (length + most - 1) / most, i;
	for (i = 0; i < parts && parts < 256; i++) {
		size_t n = length - i * most < most ? length - i * most : most, k;
		jpeg_write_m_header(c, JPEG_APP0 + 2, n + 14);
		for (k = 0; k < 12; k++)
			jpeg_write_m_byte(c, "ICC_PROFILE"[k]);
		jpeg_write_m_byte(c, i + 1);
		jpeg_write_m_byte(c, parts);
		for (k = 0; k < n; k++)
			jpeg_write_m_byte(c, profile[i * most + k]);
	}
}

static void configure(j_compress_ptr c, const TmJpeg *j, int sampling) {
	int i;
	c->image_width = j->width;
	c->image_height = j->height;
	c->input_components = j->bands;
	c->in_color_space = j->bands == 1 ? JCS_GRAYSCALE : JCS_YCbCr;
	jpeg_set_defaults(c);
	jpeg_set_quality(c, j->quality, TRUE);
	c->optimize_coding = TRUE;
	for (i = 0; i < c->num_components; i++)
		c->comp_info[i].h_samp_factor = c->comp_info[i].v_samp_factor = i == 0 ? sampling : 1;
	if (j->progressive)
		jpeg_simple_progression(c);
}

static void fill(j_compress_ptr c, float worth, jvirt_barray_ptr *arrays, const struct plane *planes) {
	int i, x, y;
	for (i = 0; i < c->num_components; i++) {
		jpeg_component_info *info = &c->comp_info[i];
		struct quantiser q;
		prepare(&q, c->quant_tbl_ptrs[info->quant_tbl_no], c->ac_huff_tbl_ptrs[i == 0 ? 0 : 1],
			i > 0 ? CHROMA_WORTH : worth);
		for (y = 0; y < planes[i].down; y++) {
			JBLOCKARRAY row = c->mem->access_virt_barray((j_common_ptr) c, arrays[i], y, 1, TRUE);
			for (x = 0; x < planes[i].across; x++)
				encode_block(&planes[i], &q, x, y, row[0][x]);
		}
	}
}

static void write_markers(j_compress_ptr c, const TmJpeg *j) {
	if (j->exif_length)
		jpeg_write_marker(c, JPEG_APP0 + 1, j->exif, j->exif_length);
	if (j->profile_length)
		write_profile(c, j->profile, j->profile_length);
}

/* plainly_from_planes writes rounded planes with the library's own encoder, without its conversion of
 * colours and its sampling. */
static void plainly_from_planes(j_compress_ptr c, const TmJpeg *j) {
	JSAMPROW rows[3][2 * DCTSIZE];
	JSAMPARRAY all[3] = {rows[0], rows[1], rows[2]};
	int i, k;
	c->raw_data_in = TRUE;
	jpeg_start_compress(c, TRUE);
	write_markers(c, j);
	while (c->next_scanline < c->image_height) {
		for (i = 0; i < c->num_components; i++) {
			const int factor = c->comp_info[i].v_samp_factor, y = c->next_scanline * factor / c->max_v_samp_factor;
			const TmPlane *p = &j->planes->plane[i];
			for (k = 0; k < factor * DCTSIZE; k++)
				rows[i][k] = p->bytes + (size_t) (y + k < p->rows ? y + k : p->rows - 1) * p->stride;
		}
		jpeg_write_raw_data(c, all, c->max_v_samp_factor * DCTSIZE);
	}
	jpeg_finish_compress(c);
}

/* plainly encodes with the library alone, which is faster. */
static void plainly(j_compress_ptr c, const TmJpeg *j) {
	if (j->bands == 3)
		c->in_color_space = JCS_RGB;
	jpeg_start_compress(c, TRUE);
	write_markers(c, j);
	while (c->next_scanline < c->image_height) {
		JSAMPROW row = (JSAMPROW) j->pixels + (size_t) c->next_scanline * j->width * j->bands;
		jpeg_write_scanlines(c, &row, 1);
	}
	jpeg_finish_compress(c);
}

/* sink is a growing buffer. Its owner frees it, also after an error: the memory destination of libjpeg
 * loses its buffer when an error jumps out of the library. */
struct sink {
	struct jpeg_destination_mgr manager;
	unsigned char *bytes;
	size_t room;
};

static boolean grow(j_compress_ptr c) {
	struct sink *s = (struct sink *) c->dest;
	const size_t full = s->room, room = full ? 2 * full : 1 << 16;
	unsigned char *bytes = realloc(s->bytes, room);
	if (!bytes)
		ERREXIT1(c, JERR_OUT_OF_MEMORY, 0);
	s->bytes = bytes;
	s->room = room;
	s->manager.next_output_byte = bytes + full;
	s->manager.free_in_buffer = room - full;
	return TRUE;
}

static void begin(j_compress_ptr c) { grow(c); }
static void end(j_compress_ptr c) { (void) c; }

static void write_to(j_compress_ptr c, struct sink *s) {
	s->manager.init_destination = begin;
	s->manager.empty_output_buffer = grow;
	s->manager.term_destination = end;
	c->dest = &s->manager;
}

/* allot makes room for all components at full resolution, or takes the planes of j. */
static int allot(const TmJpeg *j, int sampling, struct plane *planes) {
	const int unit = 8 * sampling;
	int i;
	for (i = 0; i < j->bands; i++) {
		struct plane *p = &planes[i];
		p->across = (j->width + unit - 1) / unit * sampling;
		p->down = (j->height + unit - 1) / unit * sampling;
		p->stride = 8 * p->across;
		if (j->planes) {
			p->across /= i ? sampling : 1;
			p->down /= i ? sampling : 1;
			p->stride = j->planes->plane[i].stride;
			p->samples = j->planes->plane[i].samples;
		} else if (!(p->samples = malloc(sizeof(float) * p->stride * 8 * p->down)))
			return -1;
	}
	return 0;
}

/* by_coefficients writes the coefficients that choose has chosen. */
static void by_coefficients(j_compress_ptr c, const TmJpeg *j, int sampling, struct plane *planes) {
	jvirt_barray_ptr arrays[3];
	int i;
	if (!j->planes)
		split(j, planes);
	for (i = 0; i < j->bands; i++) {
		if (i > 0 && sampling == 2 && !j->planes)
			halve(&planes[i]);
		arrays[i] = c->mem->request_virt_barray((j_common_ptr) c, JPOOL_IMAGE, FALSE, planes[i].across, planes[i].down, c->comp_info[i].v_samp_factor);
	}
	jpeg_write_coefficients(c, arrays);
	write_markers(c, j);
	fill(c, j->worth, arrays, planes);
	jpeg_finish_compress(c);
}

/* encode writes the JPEG into s. The caller frees the bytes of s. */
static int encode(const TmJpeg *j, struct sink *s, char *error) {
	struct jpeg_compress_struct c;
	struct failing f;
	struct plane planes[3] = {{0}};
	const int sampling = j->bands == 1 || j->full_chroma ? 1 : 2, plain = j->planes ? j->planes->plane[0].bytes != NULL : j->worth <= 0;
	int i;
	volatile int result = -1;
	f.text = error;
	c.err = jpeg_std_error(&f.manager);
	f.manager.error_exit = fail;
	f.manager.output_message = silent;
	if (!plain && allot(j, sampling, planes)) {
		strcpy(error, "out of memory");
		goto freed;
	}
	jpeg_create_compress(&c);
	if (setjmp(f.back))
		goto done;
	configure(&c, j, sampling);
	write_to(&c, s);
	if (!plain)
		by_coefficients(&c, j, sampling, planes);
	else if (j->planes)
		plainly_from_planes(&c, j);
	else
		plainly(&c, j);
	result = 0;
done:
	jpeg_destroy_compress(&c);
freed:
	for (i = 0; i < j->bands && !j->planes; i++)
		free(planes[i].samples);
	return result;
}

int tm_jpeg(const TmJpeg *j, unsigned char **out, unsigned long *length, char *error) {
	struct sink s = {0};
	*out = NULL;
	*length = 0;
	if (j->bands != 1 && j->bands != 3) {
		strcpy(error, "neither grey nor RGB");
		return -1;
	}
	if (encode(j, &s, error)) {
		free(s.bytes);
		return -1;
	}
	*out = s.bytes;
	*length = s.room - s.manager.free_in_buffer;
	return 0;
}
