#include "baseline.h"
#include "progressive.h"

// Decodes with this package's own decoders, or returns JPEG_BROKEN.
static int own(j_decompress_ptr cinfo, int luma, int chroma, jpeg_planes *to) {
	if (!jpeg_baseline(cinfo, luma, chroma, to) && !jpeg_progressive(cinfo, luma, chroma, to))
		return JPEG_BROKEN; // libjpeg decides whether the file is broken
	to->warned |= cinfo->err->num_warnings > 0;
	return JPEG_DECODED;
}

int jpeg_planes_decode(const unsigned char *file, size_t size, int luma, int chroma, jpeg_planes *to) {
	int result = jpeg_with_header(file, size, luma, chroma, to, own);
	return result == JPEG_BROKEN ? jpeg_planes_library(file, size, luma, chroma, 1, to) : result;
}
