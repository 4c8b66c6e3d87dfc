#include "planes.h"

int jpeg_planes_decode(const unsigned char *file, size_t size, int luma, int chroma, jpeg_planes *to) {
	return jpeg_planes_library(file, size, luma, chroma, to);
}
