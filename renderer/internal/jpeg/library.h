// The common part of the decoders: libjpeg reads the header, and the planes get their memory.
#ifndef THUMBMILL_JPEG_LIBRARY_H
#define THUMBMILL_JPEG_LIBRARY_H

#include <setjmp.h>
#include <stdio.h>
#include <jpeglib.h>
#include "planes.h"

// libjpeg v7 and later have two sizes of a block.
#if JPEG_LIB_VERSION >= 70
#define BLOCK_SIZE DCT_h_scaled_size
#else
#define BLOCK_SIZE DCT_scaled_size
#endif

typedef struct {
	struct jpeg_error_mgr manager;
	jmp_buf escape;
	char *message; // has sizeof(jpeg_planes.message) bytes
} jpeg_escape;

// Makes cinfo's errors jump to escape->escape, and counts its warnings without printing them.
void jpeg_escape_set(j_decompress_ptr cinfo, jpeg_escape *escape, char *message);

// Returns whether this package decodes the file whose header libjpeg has read.
int jpeg_is_ours(j_decompress_ptr cinfo);

// Allocates planes for whole MCUs at luma/8 and chroma/8. Returns 0 if there is no memory.
int jpeg_planes_allocate(j_decompress_ptr cinfo, int luma, int chroma, jpeg_planes *to);

// Returns component i's quantisers, or NULL if the file has none so far. libjpeg checks the number
// of the table only later.
static inline JQUANT_TBL *jpeg_quantisers(j_decompress_ptr cinfo, int i) {
	int n = cinfo->comp_info[i].quant_tbl_no;
	return n >= 0 && n < NUM_QUANT_TBLS ? cinfo->quant_tbl_ptrs[n] : NULL;
}

// Returns the size of component i's blocks, in samples.
static inline int jpeg_block_size(int i, int luma, int chroma) { return i == 0 ? luma : chroma; }

// Decodes a file whose header libjpeg has read.
typedef int (*jpeg_way)(j_decompress_ptr cinfo, int luma, int chroma, jpeg_planes *to);

// Reads the header, and decodes the file in this way if the package decodes its kind. Returns
// JPEG_DECODED, JPEG_OTHER for other kinds, or JPEG_BROKEN for an error of libjpeg or of the way. Frees
// unfinished planes.
int jpeg_with_header(const unsigned char *file, size_t size, int luma, int chroma, jpeg_planes *to, jpeg_way way);

// Allocates the planes and reads them with libjpeg, after jpeg_read_header. own: uses this package's
// transforms to 2/8 and 4/8.
int jpeg_planes_read(j_decompress_ptr cinfo, int luma, int chroma, int own, jpeg_planes *to);

#endif
