// What the decoders share: libjpeg's reading of the header, and the planes' memory.
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
	char *message; // of sizeof(jpeg_planes.message)
} jpeg_escape;

// Has cinfo's errors end at escape->escape, and its warnings counted in silence.
void jpeg_escape_set(j_decompress_ptr cinfo, jpeg_escape *escape, char *message);

// Tells whether a header that libjpeg has read is of the kind that this package decodes.
int jpeg_is_ours(j_decompress_ptr cinfo);

// Allocates planes for whole MCUs at luma/8 and chroma/8. 0: no memory.
int jpeg_planes_allocate(j_decompress_ptr cinfo, int luma, int chroma, jpeg_planes *to);

// Component i's quantisers, if the file has them so far: libjpeg checks their number only later.
static inline JQUANT_TBL *jpeg_quantisers(j_decompress_ptr cinfo, int i) {
	int n = cinfo->comp_info[i].quant_tbl_no;
	return n >= 0 && n < NUM_QUANT_TBLS ? cinfo->quant_tbl_ptrs[n] : NULL;
}

// The size of component i's blocks.
static inline int jpeg_block_size(int i, int luma, int chroma) { return i == 0 ? luma : chroma; }

// Decodes a file whose header libjpeg has read.
typedef int (*jpeg_way)(j_decompress_ptr cinfo, int luma, int chroma, jpeg_planes *to);

// Reads the header, and decodes one of a kind that is ours in that way. What the way leaves by an
// error of libjpeg's is JPEG_BROKEN; planes are freed where they are not whole.
int jpeg_with_header(const unsigned char *file, size_t size, int luma, int chroma, jpeg_planes *to, jpeg_way way);

// Reads the planes with libjpeg, after jpeg_read_header, into planes that are allocated here; own:
// by this package's transforms where they differ from libjpeg-turbo's.
int jpeg_planes_read(j_decompress_ptr cinfo, int luma, int chroma, int own, jpeg_planes *to);

#endif
