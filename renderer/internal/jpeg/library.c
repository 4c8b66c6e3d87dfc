#include "library.h"
#include <stdlib.h>
#include <string.h>
#include <jpegint.h>
#include "inverse.h"

static void leave(j_common_ptr cinfo) {
	jpeg_escape *escape = (jpeg_escape *)cinfo->err;
	char message[JMSG_LENGTH_MAX];
	cinfo->err->format_message(cinfo, message);
	snprintf(escape->message, sizeof(((jpeg_planes *)0)->message), "%s", message);
	longjmp(escape->escape, 1);
}

static void count(j_common_ptr cinfo, int level) {
	if (level < 0)
		cinfo->err->num_warnings++;
}

void jpeg_escape_set(j_decompress_ptr cinfo, jpeg_escape *escape, char *message) {
	cinfo->err = jpeg_std_error(&escape->manager);
	escape->manager.error_exit = leave;
	escape->manager.emit_message = count;
	escape->message = message;
}

static int sampled(j_decompress_ptr cinfo, int i, int most) {
	jpeg_component_info *c = &cinfo->comp_info[i];
	return c->h_samp_factor >= 1 && c->h_samp_factor <= most && c->v_samp_factor >= 1 && c->v_samp_factor <= most;
}

int jpeg_is_ours(j_decompress_ptr cinfo) {
	if (cinfo->data_precision != 8 || cinfo->arith_code)
		return 0;
	if (cinfo->num_components == 1)
		return cinfo->jpeg_color_space == JCS_GRAYSCALE && sampled(cinfo, 0, 2);
	return cinfo->num_components == 3 && cinfo->jpeg_color_space == JCS_YCbCr && sampled(cinfo, 0, 2) &&
	       sampled(cinfo, 1, 1) && sampled(cinfo, 2, 1);
}

static size_t whole(size_t a, size_t unit) { return (a + unit - 1) / unit * unit; }

static int scaled(int side, int factor, int most, int size) {
	long long of = (long long)most * 8;
	return (int)(((long long)side * factor * size + of - 1) / of);
}

int jpeg_planes_allocate(j_decompress_ptr cinfo, int luma, int chroma, jpeg_planes *to) {
	to->width = cinfo->image_width;
	to->height = cinfo->image_height;
	for (int i = 0; i < cinfo->num_components; i++) {
		jpeg_component_info *c = &cinfo->comp_info[i];
		int size = jpeg_block_size(i, luma, chroma);
		jpeg_plane *p = &to->plane[i];
		p->width = scaled(to->width, c->h_samp_factor, cinfo->max_h_samp_factor, size);
		p->height = scaled(to->height, c->v_samp_factor, cinfo->max_v_samp_factor, size);
		p->across = size / 8.0 * c->h_samp_factor / cinfo->max_h_samp_factor;
		p->down = size / 8.0 * c->v_samp_factor / cinfo->max_v_samp_factor;
		p->stride = (int)whole(whole(c->width_in_blocks, c->h_samp_factor) * size, 16);
		size_t rows = whole(c->height_in_blocks, c->v_samp_factor) * size;
		free(p->samples);
		p->samples = calloc(rows, p->stride);
		if (!p->samples)
			return 0;
		to->count = i + 1;
	}
	return 1;
}

void jpeg_planes_free(jpeg_planes *p) {
	for (int i = 0; i < 3; i++) {
		free(p->plane[i].samples);
		p->plane[i].samples = NULL;
	}
}

// The transforms to 2/8 and 4/8 are this package's. libjpeg-turbo's transforms of these sizes average
// samples, and need nearly all coefficients.
static void inverse_2(j_decompress_ptr cinfo, jpeg_component_info *c, JCOEFPTR block, JSAMPARRAY rows, JDIMENSION x) {
	(void)cinfo;
	jpeg_inverse_block(2, block, c->quant_table->quantval, rows, x);
}

static void inverse_4(j_decompress_ptr cinfo, jpeg_component_info *c, JCOEFPTR block, JSAMPARRAY rows, JDIMENSION x) {
	(void)cinfo;
	jpeg_inverse_block(4, block, c->quant_table->quantval, rows, x);
}

static void replace(j_decompress_ptr cinfo) {
	for (int i = 0; i < cinfo->num_components; i++) {
		if (!cinfo->comp_info[i].quant_table)
			continue; // no scan has the component, and libjpeg's transform uses quantisers of 0
		if (cinfo->comp_info[i].BLOCK_SIZE == 2)
			cinfo->idct->inverse_DCT[i] = inverse_2;
		if (cinfo->comp_info[i].BLOCK_SIZE == 4)
			cinfo->idct->inverse_DCT[i] = inverse_4;
	}
}

// Sets the block sizes of all components to the requested sizes. libjpeg alone enlarges subsampled
// chroma in the inverse transform. libjpeg chooses the transforms again, before the first block.
static void resize(j_decompress_ptr cinfo, int luma, int chroma, int own) {
	for (int i = 0; i < cinfo->num_components; i++) {
		jpeg_component_info *c = &cinfo->comp_info[i];
		c->BLOCK_SIZE = jpeg_block_size(i, luma, chroma);
#if JPEG_LIB_VERSION >= 70
		c->DCT_v_scaled_size = c->DCT_h_scaled_size;
#endif
		if (!cinfo->inputctl->has_multiple_scans)
			c->MCU_sample_width = c->MCU_width * c->BLOCK_SIZE;
	}
	cinfo->idct->start_pass(cinfo);
	if (own)
		replace(cinfo);
	if (!cinfo->inputctl->has_multiple_scans)
		cinfo->entropy->start_pass(cinfo);
}

static void rows(jpeg_planes *to, j_decompress_ptr cinfo, int unit, JSAMPARRAY data[3], JSAMPROW row[3][16]) {
	for (int i = 0; i < to->count; i++) {
		jpeg_component_info *c = &cinfo->comp_info[i];
		int high = c->v_samp_factor * c->BLOCK_SIZE;
		for (int y = 0; y < high; y++)
			row[i][y] = to->plane[i].samples + ((size_t)unit * high + y) * to->plane[i].stride;
		data[i] = row[i];
	}
}

int jpeg_planes_read(j_decompress_ptr cinfo, int luma, int chroma, int own, jpeg_planes *to) {
	cinfo->raw_data_out = TRUE;
	cinfo->do_block_smoothing = FALSE;
	cinfo->dct_method = JDCT_ISLOW;
	cinfo->scale_num = cinfo->num_components > 1 && chroma > luma ? chroma : luma;
	cinfo->scale_denom = 8;
	cinfo->out_color_space = cinfo->jpeg_color_space;
	if (!jpeg_planes_allocate(cinfo, luma, chroma, to)) {
		snprintf(to->message, sizeof to->message, "no memory for %d x %d pixels", to->width, to->height);
		return JPEG_BROKEN;
	}
	jpeg_start_decompress(cinfo);
	resize(cinfo, luma, chroma, own);
	for (int unit = 0; unit < (int)cinfo->total_iMCU_rows; unit++) {
		JSAMPROW row[3][16];
		JSAMPARRAY data[3];
		rows(to, cinfo, unit, data, row);
		jpeg_read_raw_data(cinfo, data, 16 * 8);
	}
	to->warned = cinfo->err->num_warnings > 0;
	return JPEG_DECODED;
}

int jpeg_with_header(const unsigned char *file, size_t size, int luma, int chroma, jpeg_planes *to, jpeg_way way) {
	struct jpeg_decompress_struct cinfo;
	jpeg_escape escape;
	memset(to, 0, sizeof *to);
	jpeg_escape_set(&cinfo, &escape, to->message);
	volatile int result = JPEG_OTHER;
	if (!setjmp(escape.escape)) {
		jpeg_create_decompress(&cinfo);
		jpeg_mem_src(&cinfo, file, size);
		if (jpeg_read_header(&cinfo, TRUE) == JPEG_HEADER_OK && jpeg_is_ours(&cinfo)) {
			result = JPEG_BROKEN;
			result = way(&cinfo, luma, chroma, to);
		}
	}
	jpeg_destroy_decompress(&cinfo);
	if (result != JPEG_DECODED)
		jpeg_planes_free(to);
	return result;
}

static int with_own_transforms(j_decompress_ptr cinfo, int luma, int chroma, jpeg_planes *to) {
	return jpeg_planes_read(cinfo, luma, chroma, 1, to);
}

static int with_libjpegs_transforms(j_decompress_ptr cinfo, int luma, int chroma, jpeg_planes *to) {
	return jpeg_planes_read(cinfo, luma, chroma, 0, to);
}

int jpeg_planes_library(const unsigned char *file, size_t size, int luma, int chroma, int own, jpeg_planes *to) {
	return jpeg_with_header(file, size, luma, chroma, to, own ? with_own_transforms : with_libjpegs_transforms);
}
