#include "baseline.h"
#include "progressive.h"
#include <string.h>

// Decodes with this package's own decoder. JPEG_BROKEN: libjpeg must decode the file.
static int own(const unsigned char *file, size_t size, int luma, int chroma, jpeg_planes *to) {
	struct jpeg_decompress_struct cinfo;
	jpeg_escape escape;
	memset(to, 0, sizeof *to);
	jpeg_escape_set(&cinfo, &escape, to->message);
	volatile int result = JPEG_OTHER;
	if (!setjmp(escape.escape)) {
		jpeg_create_decompress(&cinfo);
		jpeg_mem_src(&cinfo, file, size);
		if (jpeg_read_header(&cinfo, TRUE) == JPEG_HEADER_OK && jpeg_is_ours(&cinfo))
			result = jpeg_baseline(&cinfo, luma, chroma, to) || jpeg_progressive(&cinfo, luma, chroma, to) ? JPEG_DECODED : JPEG_BROKEN;
		to->warned |= cinfo.err->num_warnings > 0;
	}
	jpeg_destroy_decompress(&cinfo);
	if (result != JPEG_DECODED)
		jpeg_planes_free(to);
	return result;
}

int jpeg_planes_decode(const unsigned char *file, size_t size, int luma, int chroma, jpeg_planes *to) {
	int result = own(file, size, luma, chroma, to);
	return result == JPEG_BROKEN ? jpeg_planes_library(file, size, luma, chroma, 1, to) : result;
}
