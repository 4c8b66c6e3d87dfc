// Progressive files at 1/8.
#ifndef THUMBMILL_JPEG_PROGRESSIVE_H
#define THUMBMILL_JPEG_PROGRESSIVE_H

#include "library.h"

// Decodes the DC scans of a progressive file at 1/8, and passes over all others. libjpeg has read
// the header. 0: libjpeg must decode the file; to may hold planes that are half done.
int jpeg_progressive(j_decompress_ptr cinfo, int luma, int chroma, jpeg_planes *to);

#endif
